"""The rows that the answer is made from: statements over all registered users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from user_conversion.inputs.ledger import Ledger
from user_conversion.jobs.context import Context
from user_conversion.jobs.merge import Merge, Rows
from user_conversion.rules.log_format import DEVICE_TYPE
from user_conversion.rules.weeks import DAY, start_of_day


class MetricTables:
    """Runs statements over the view `user_conversion` of a merge that was staged."""

    def __init__(self, run: Context, ledger: Ledger, merge: Merge) -> None:
        self._engine = run.engine
        self._attributes = ledger.attributes
        self._merge = merge

    def rows(self, statement: str) -> Rows:
        """The rows of a statement."""
        return self._merge.rows(statement)

    def segment_rows(self, by: str, weeks: Sequence[str]) -> Rows:
        """The rows of `segment_counts` by a field, of these registration weeks."""
        if not weeks:
            return []
        value = DEVICE_TYPE
        if by != DEVICE_TYPE:
            value = f"attributes.value_{self._attributes.index(by)}"
        self._engine.create_view(
            "segmented_users",
            f"SELECT registration_week, {value} AS value, converted FROM user_conversion "
            f"WHERE registration_week IN ({', '.join(map(repr, weeks))})",
        )
        return self.rows("segment_counts")

    def first_load_rows(self, observed: date) -> Rows:
        """The rows of `first_load_days`, observed to the end of a local day."""
        until = start_of_day(observed + DAY, self._merge.zone).replace(tzinfo=None)
        self._engine.create_table("observation", {"until": "timestamp"}, [(until,)])
        return self.rows("first_load_days")
