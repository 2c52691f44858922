"""The rows that the answer is made from: statements over all registered users."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from user_conversion.jobs.context import Rows
from user_conversion.jobs.conversion_rate.added_events import AddedEvents
from user_conversion.jobs.conversion_rate.merge import Merge
from user_conversion.metric.compiled import MOST_VALUES
from user_conversion.rules.events import EARLIEST
from user_conversion.rules.log_format import CHANNEL, DEVICE_TYPE
from user_conversion.rules.weeks import DAY, start_of_day

# Statements whose rows are those of one registration week each.
BY_WEEK = ("weekly_summary", "load_quality", "cohort_table", "conversion_days", "first_load_days")
SEGMENTS = "segment_counts"
# If there are more rows of segments, all of them are computed each time.
MOST_SEGMENTS = 50_000


class MetricTables:
    """Runs statements over the users of a merge that was staged, as far as figures do not stay.

    `figures` are those of all weeks, observed to the end of a local day.
    """

    def __init__(self, added: AddedEvents, merge: Merge, observed: date | None) -> None:
        self._run = run = added.run
        self._attributes, self._merge = added.ledger.attributes, merge
        kept, new = merge.kept_figures(observed)
        last = observed or EARLIEST.date()
        until = start_of_day(last + DAY, run.zone).replace(tzinfo=None)
        run.engine.create_table("observation", {"until": "timestamp"}, [(until,)])
        merge.name_users(new)
        self.figures = {name: [*kept.get(name, ()), *run.rows(name)] for name in BY_WEEK}
        self._channels = [*kept.get(SEGMENTS, ()), *self._segments(CHANNEL)]
        if new is not None and not (SEGMENTS in kept and _are_few(self._channels)):
            merge.name_users()
            self._channels = self._segments(CHANNEL)
        if _are_few(self._channels):
            self.figures[SEGMENTS] = self._channels

    def segment_rows(self, by: str, weeks: Collection[str]) -> Rows:
        """The rows of `segment_counts` by a field, of these registration weeks."""
        rows = self._channels
        if by != CHANNEL:
            self._merge.name_users()
            rows = self._segments(by)
        return [row for row in rows if row["registration_week"] in weeks]

    def _segments(self, by: str) -> Rows:
        value = DEVICE_TYPE
        if by != DEVICE_TYPE:
            value = f"attributes.value_{self._attributes.index(by)}"
        self._run.engine.create_view(
            "segmented_users",
            f"SELECT registration_week, {value} AS value, converted FROM user_conversion",
        )
        return self._run.rows(SEGMENTS)


def _are_few(segments: Rows) -> bool:
    """Whether each value has figures of its own, so that the rows of some weeks can stay."""
    values = {row["value"] for row in segments}
    others = any(row["others"] for row in segments)
    return not others and len(values) <= MOST_VALUES and len(segments) <= MOST_SEGMENTS
