"""How the lines of logs are counted: every line once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple

from user_conversion.rules.log_format import APP_LOADED, REGISTERED
from user_conversion.rules.rejected import Reason


class Skipped(StrEnum):
    """Why a line is counted, but neither kept nor rejected."""

    OTHER = "other"
    ANONYMOUS = "anonymous"
    BLANK = "blank"


class LineCount(NamedTuple):
    """How many lines of a file have a verdict: a kind of event, `Skipped` or `Reason`.

    `file` is the place of the file among those that were read, `day` the UTC day of an event of
    the two kinds, None for other lines.
    """

    file: int
    verdict: str
    day: date | None
    lines: int


@dataclass(frozen=True)
class EventCounts:
    """How the lines that were read were counted; the counts add up to `lines`."""

    lines: int = 0
    registered: int = 0
    app_loaded: int = 0
    other: int = 0
    anonymous: int = 0
    blank: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: int, verdicts: Mapping[str, int]) -> EventCounts:
        """The counts from the number of lines by verdict: a kind, `Skipped` or `Reason`.

        `lines` is counted independently of the verdicts.
        """
        return cls(
            lines=lines,
            **{
                name: verdicts.get(name, 0) for name in (REGISTERED, APP_LOADED, *map(str, Skipped))
            },
            rejected_by_reason={
                str(reason): verdicts[reason] for reason in sorted(Reason) if verdicts.get(reason)
            },
        )

    @property
    def rejected(self) -> int:
        """Lines that cannot be an event."""
        return sum(self.rejected_by_reason.values())

    @property
    def recognised(self) -> int:
        """Lines that were read as an event of any name."""
        return self.registered + self.app_loaded + self.other + self.anonymous

    def unaccounted(self) -> int:
        """Lines that are in no count; anything but 0 is a bug of the engine."""
        return self.lines - self.recognised - self.blank - self.rejected

    def __add__(self, more: EventCounts) -> EventCounts:
        counts = {name: getattr(self, name) + getattr(more, name) for name in COUNTS}
        reasons = Counter(self.rejected_by_reason) + Counter(more.rejected_by_reason)
        return EventCounts(**counts, rejected_by_reason=dict(sorted(reasons.items())))

    def __sub__(self, less: EventCounts) -> EventCounts:
        counts = {name: getattr(self, name) - getattr(less, name) for name in COUNTS}
        reasons = Counter(self.rejected_by_reason)
        reasons.subtract(less.rejected_by_reason)
        return EventCounts(**counts, rejected_by_reason=dict(sorted(reasons.items())))

    def as_json(self) -> dict[str, Any]:
        """The key `events` of the JSON."""
        counts = {name: getattr(self, name) for name in COUNTS}
        by_reason = dict(self.rejected_by_reason)
        return counts | {"rejected": self.rejected, "rejected_by_reason": by_reason}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> EventCounts:
        """The inverse of `as_json`."""
        counts = {name: int(document[name]) for name in COUNTS}
        return cls(**counts, rejected_by_reason=dict(document["rejected_by_reason"]))


COUNTS = ("lines", "registered", "app_loaded", "other", "anonymous", "blank")
