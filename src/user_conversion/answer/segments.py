"""The answer by the values of a field, over complete weeks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from user_conversion.answer.figures import Group
from user_conversion.answer.statistics import IndependenceTest, independence_test
from user_conversion.rules.log_format import DEVICE_TYPE

# More segments than these are pooled.
MOST_SEGMENTS = 50
OTHERS = "other segments"


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
        Segment.of(*counts[others, value], by=by, value=value, others=others)
        for others, value in counts
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
