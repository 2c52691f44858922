"""Whether the newest complete week differs from those before by more than weeks usually differ.

Pure functions over figures by week and segment. docs/explanation/forecasts.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from user_conversion.answer.beta_binomial import BetaBinomial, next_share
from user_conversion.answer.figures import Count, Interval, Percent
from user_conversion.answer.forecast import FEWEST_WEEKS, MOST_WEEKS
from user_conversion.answer.statistics import SIGNIFICANCE_LEVEL, SMALL_SAMPLE, percent, rounded

ROSE, FELL, SEGMENTS, AS_USUAL = "rate_rose", "rate_fell", "segments_changed", "as_usual"
TOO_FEW_WEEKS = "too_few_weeks"
# Segments that are compared: the largest in the newest week.
MOST_COMPARED = 20

# Registered and converted users of each week, in order.
Series = Sequence[tuple[int, int]]


class Comparison(Struct, frozen=True):
    """The newest week of a segment against the weeks before; `by` is None for all users.

    `usual` are the limits, in percent, within which 95 of 100 such weeks are. `changed` is true if
    the difference is significant among all segments that were compared.
    """

    by: str | None
    value: str | None
    total_registered: Count
    total_converted: Count
    conversion_rate: Percent
    usual: Interval
    p_value: float
    changed: bool = False

    @property
    def rose(self) -> bool:
        """Whether the rate is above what is usual."""
        return self.conversion_rate > sum(self.usual) / 2


class Change(Struct, frozen=True):
    """The comparison of the newest complete week; without segments if it cannot be compared.

    `changed` is true if any segment changed; `reason` is one of the constants above.
    """

    changed: bool
    reason: str
    registration_week: str | None
    segments: tuple[Comparison, ...]

    @classmethod
    def of(cls, week: str | None, segments: Sequence[Comparison] = ()) -> Change:
        """What the comparisons of a week say, of which the first is that of all users."""
        changed = any(each.changed for each in segments)
        reason = SEGMENTS if changed else AS_USUAL
        if not segments:
            reason = TOO_FEW_WEEKS
        elif segments[0].changed:
            reason = ROSE if segments[0].rose else FELL
        return cls(changed, reason, week, tuple(segments))


def change(complete_weeks: Sequence[str], by: str, rows: Iterable[Mapping[str, Any]]) -> Change:
    """Compare the newest complete week with those before: all users, and each segment.

    `rows` are those of `conversion.segment_counts`; weeks that are not complete are left out.
    """
    latest = complete_weeks[-MOST_WEEKS - 1 :]
    if len(latest) <= FEWEST_WEEKS:
        return Change.of(latest[-1] if latest else None)
    segments: dict[str | None, dict[str, tuple[int, int]]] = {}
    everybody: dict[str, tuple[int, int]] = {}
    for row in rows:
        week = row["registration_week"]
        users, converted = row["total_registered"], row["total_converted"]
        if not row["others"]:
            segments.setdefault(row["value"], {})[week] = users, converted
        known = everybody.get(week, (0, 0))
        everybody[week] = known[0] + users, known[1] + converted
    found = [
        _compare(by, value, [figures[week] for week in latest if week in figures])
        for value, figures in segments.items()
        if figures.get(latest[-1], (0, 0))[0] >= SMALL_SAMPLE
    ]
    compared = sorted(
        filter(None, found), key=lambda e: (-e.total_registered, e.value is None, e.value or "")
    )
    overall = _compare(None, None, [everybody[week] for week in latest])
    every = [*([overall] if overall else []), *compared[:MOST_COMPARED]]
    return Change.of(latest[-1], _significant(every))


def _compare(by: str | None, value: str | None, series: Series) -> Comparison | None:
    """The last week of a series against those before; None if they are too few."""
    *before, (users, converted) = series
    if len(before) < FEWEST_WEEKS:
        return None
    expected = BetaBinomial(users, next_share([(yes, total) for total, yes in before]))
    low, high = expected.interval()
    return Comparison(
        by,
        value,
        users,
        converted,
        percent(converted, users) or 0.0,
        (rounded(100 * low / users), rounded(100 * high / users)),
        float(f"{expected.p_value(converted):.6g}"),
    )


def _significant(compared: Sequence[Comparison]) -> list[Comparison]:
    """Mark the comparisons that changed: of those, on average at most one in 20 is by chance.

    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289-300.
    """
    ordered = sorted(each.p_value for each in compared)
    limits = [
        p_value
        for rank, p_value in enumerate(ordered, 1)
        if p_value <= SIGNIFICANCE_LEVEL * rank / len(ordered)
    ]
    limit = max(limits, default=-1.0)
    return [replace(each, changed=each.p_value <= limit) for each in compared]
