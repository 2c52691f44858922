"""How the lines of logs are counted: every line once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from user_conversion.rules.log_format import APP_LOADED, IDENTIFIED, REGISTERED
from user_conversion.rules.rejected import Reason


class Skipped(StrEnum):
    """Why a line is counted, but neither kept nor rejected."""

    OTHER = "other"
    ANONYMOUS = "anonymous"
    EXCLUDED = "excluded"
    BLANK = "blank"


class LineCount(NamedTuple):
    """How many lines of a file have a verdict: a kind of event, `Skipped` or `Reason`.

    `file` is the place of the file among those that were read, `day` the UTC day of an event of
    a kind, None for other lines.
    """

    file: int
    verdict: str
    day: date | None
    lines: int


KEPT_OR_SKIPPED = (REGISTERED, APP_LOADED, IDENTIFIED, *map(str, Skipped))


class EventCounts(Struct, frozen=True):
    """How the lines that were read were counted; the counts add up to `lines`.

    `rejected` lines cannot be an event; `rejected_by_reason` has them by `Reason`, in order.
    """

    lines: int = 0
    registered: int = 0
    app_loaded: int = 0
    other: int = 0
    anonymous: int = 0
    excluded: int = 0
    identified: int = 0
    blank: int = 0
    rejected: int = 0
    rejected_by_reason: dict[str, int] = {}

    @classmethod
    def of(cls, lines: int, verdicts: Mapping[str, int]) -> EventCounts:
        """The counts from the number of lines by verdict: a kind, `Skipped` or `Reason`.

        `lines` is counted independently of the verdicts.
        """
        by_reason = {str(each): verdicts[each] for each in sorted(Reason) if verdicts.get(each)}
        counts = {verdict: verdicts.get(verdict, 0) for verdict in KEPT_OR_SKIPPED}
        rejected = sum(by_reason.values())
        return cls(lines=lines, **counts, rejected=rejected, rejected_by_reason=by_reason)

    @property
    def recognised(self) -> int:
        """Lines that were read as an event of any name."""
        kept = self.registered + self.app_loaded + self.identified
        return kept + self.other + self.anonymous + self.excluded

    def unaccounted(self) -> int:
        """Lines that are in no count; anything but 0 is a bug of the engine."""
        return self.lines - self.recognised - self.blank - self.rejected

    @property
    def is_consistent(self) -> bool:
        """Whether no count is negative, and the counts add up."""
        reasons = self.rejected_by_reason.values()
        all_lines_once = not self.unaccounted() and sum(reasons) == self.rejected
        return all_lines_once and min(self._verdicts.values()) >= 0

    def __add__(self, more: EventCounts) -> EventCounts:
        verdicts = Counter(self._verdicts)
        verdicts.update(more._verdicts)
        return EventCounts.of(self.lines + more.lines, verdicts)

    def __sub__(self, less: EventCounts) -> EventCounts:
        verdicts = Counter(self._verdicts)
        verdicts.subtract(less._verdicts)
        return EventCounts.of(self.lines - less.lines, verdicts)

    @property
    def _verdicts(self) -> dict[str, int]:
        counts = {name: getattr(self, name) for name in KEPT_OR_SKIPPED}
        return counts | self.rejected_by_reason
