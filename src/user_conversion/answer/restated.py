"""Complete weeks whose figures are others than in the answer before."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from user_conversion.answer.figures import Figures
from user_conversion.answer.weeks import WeekResult


class Restated(Struct, frozen=True):
    """A week that was called complete, with its figures `before` and `after`."""

    registration_week: str
    before: Figures
    after: Figures


def restated(before: Iterable[WeekResult], after: Iterable[WeekResult]) -> tuple[Restated, ...]:
    """The weeks that were complete and have other figures now; a week that is gone has none."""
    now = {week.registration_week: _figures(week) for week in after}
    found = (
        Restated(week.registration_week, _figures(week), now.get(week.registration_week, NONE))
        for week in before
        if week.complete
    )
    return tuple(each for each in found if each.before != each.after)


def _figures(week: WeekResult) -> Figures:
    return Figures.of(week.total_registered, week.total_converted)


NONE = Figures.of(0, 0)
