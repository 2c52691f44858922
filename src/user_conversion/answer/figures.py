"""Figures of the answer: how many users registered and converted, of all and by segment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

from msgspec import Meta, Struct

from user_conversion.answer.statistics import (
    SMALL_SAMPLE,
    IndependenceTest,
    independence_test,
    percent,
    wilson_interval,
)
from user_conversion.rules.log_format import DEVICE_TYPE

# More segments than these are pooled.
MOST_SEGMENTS = 50
OTHERS = "other segments"

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Interval = tuple[Percent, Percent]


class Figures(Struct, frozen=True):
    """Registered users, how many of them converted, the rate, and its 95 % Wilson interval.

    Rate and interval are percent with two decimals, None without registered users. Raises
    `ValueError` if more users converted than registered.
    """

    total_registered: Count
    total_converted: Count
    conversion_rate: Percent | None
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.total_converted > self.total_registered:
            raise ValueError("more users converted than registered")

    @classmethod
    def of(cls, registered: int, converted: int, **more: Any) -> Self:
        """The figures of so many users; `more` are the other fields of a subclass."""
        rate, interval = percent(converted, registered), wilson_interval(converted, registered)
        return cls(registered, converted, rate, interval, **more)

    @classmethod
    def pooled(cls, figures: Iterable[Figures], **more: Any) -> Self:
        """All users together; never an average of rates."""
        figures = list(figures)
        registered = sum(each.total_registered for each in figures)
        return cls.of(registered, sum(each.total_converted for each in figures), **more)

    @property
    def is_small(self) -> bool:
        """Whether the rate is of so few users that it needs a warning."""
        return self.total_registered < SMALL_SAMPLE


class Group(Figures, frozen=True, kw_only=True):
    """The figures of one group of users; a `small_sample` needs a warning."""

    small_sample: bool

    @classmethod
    def of(cls, registered: int, converted: int, **more: Any) -> Self:
        """See `Figures.of`."""
        small = registered < SMALL_SAMPLE
        return super().of(registered, converted, small_sample=small, **more)


class Segment(Group, frozen=True, kw_only=True):
    """The users with one `value` of a field; None for users without a value.

    If `others` is true, these are all smaller segments together, and the value is `OTHERS`.
    """

    by: str
    value: str | None
    others: bool = False


class Segmentation(NamedTuple):
    """The segments by one field, the largest first, and the test of whether they differ.

    Small samples are left out of the test. There is no test by device type: it splits the
    converted users, not the registered ones.
    """

    by: str
    segments: tuple[Segment, ...] = ()
    test: IndependenceTest | None = None


def segmentation(by: str, rows: Iterable[Mapping[str, Any]]) -> Segmentation:
    """The segments from the rows of `conversion.segment_counts`."""
    counts: dict[tuple[bool, str | None], tuple[int, int]] = {}
    for row in rows:
        key = row["others"], row["value"]
        users, converted = counts.get(key, (0, 0))
        counts[key] = users + row["total_registered"], converted + row["total_converted"]
    if by == DEVICE_TYPE:
        everyone = sum(users for users, _ in counts.values())
        counts = {key: (everyone, converted) for key, (_, converted) in counts.items() if converted}
    found = [
        Segment.of(*users, by=by, value=OTHERS if others else value, others=others)
        for (others, value), users in counts.items()
    ]
    found.sort(key=_largest_first)
    if by == DEVICE_TYPE:
        return Segmentation(by, _listed(by, found))
    # A segment of a few users would make the test impossible for all the others.
    large = [each for each in found if not each.small_sample and not each.others]
    test = independence_test([(each.total_converted, each.total_registered) for each in large])
    return Segmentation(by, _listed(by, found), test)


def _largest_first(segment: Segment) -> tuple[bool, int, int, bool, str]:
    value, size = segment.value, (-segment.total_registered, -segment.total_converted)
    return segment.others, *size, value is None, value or ""


def _listed(by: str, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """The largest segments, and all others as one."""
    shown, others = tuple(segments[:MOST_SEGMENTS]), segments[MOST_SEGMENTS:]
    if not others:
        return shown
    together = Segment.pooled(others, by=by, value=OTHERS, others=True)
    if by == DEVICE_TYPE:
        registered, converted = others[0].total_registered, together.total_converted
        together = Segment.of(registered, converted, by=by, value=OTHERS, others=True)
    return *shown, together
