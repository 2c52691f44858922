"""Long results shortened: the largest or latest rows, and the others pooled in one.

Users are added up; rates are never averaged. Charts and tables show the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from user_conversion.answer.cohorts import Cohort
from user_conversion.answer.finality import Daily, Gaps
from user_conversion.answer.statistics import percent
from user_conversion.outputs import words
from user_conversion.rules.log_format import APP_LOADED, REGISTERED
from user_conversion.rules.weeks import DAY, first_day_of

MOST_COHORTS = 26
MOST_OFFSETS = 12
MOST_DAYS = 92
HEAT_LEVELS = 8
# Weeks in one chart: two years.
MOST_CHARTED = 104


@dataclass(frozen=True)
class Cell:
    """Users of some cohorts whose first load was in one week offset, of all who registered."""

    users: int
    registered: int

    @property
    def share(self) -> float:
        """Percent with two decimals; 0 without registered users."""
        return percent(self.users, self.registered) or 0.0


@dataclass(frozen=True)
class CohortRow:
    """One cohort, or several pooled; a cell is None if its week has not ended."""

    label: str
    first_day: date | None
    registered: int
    cells: tuple[Cell | None, ...]
    not_yet: int

    @classmethod
    def of(
        cls, label: str, cohorts: Sequence[Cohort], offsets: int, first_day: date | None = None
    ) -> CohortRow:
        """Cohorts pooled; each offset has the cohorts for which its week has ended."""
        cells: list[Cell | None] = []
        for offset in range(offsets):
            ended = [each for each in cohorts if each.offsets[offset] is not None]
            users = sum(each.offsets[offset] or 0 for each in ended)
            registered = sum(each.total_registered for each in ended)
            cells.append(Cell(users, registered) if ended else None)
        registered = sum(each.total_registered for each in cohorts)
        never = sum(each.never for each in cohorts)
        return cls(label, first_day, registered, tuple(cells), never)


@dataclass(frozen=True)
class CohortGrid:
    """The cohort triangle by week offset; `more` counts first loads in later weeks."""

    offsets: int
    rows: Sequence[CohortRow]
    all_weeks: CohortRow
    more: int

    def level(self, cell: Cell) -> int:
        """0 for a share of 0, else 1 to `HEAT_LEVELS` in equal steps up to the highest share."""
        highest = max(each.share for row in self.rows for each in row.cells if each)
        return -int(-cell.share * HEAT_LEVELS // highest) if cell.share else 0


def fold_cohorts(
    cohorts: Sequence[Cohort], most: int = MOST_COHORTS, most_offsets: int = MOST_OFFSETS
) -> CohortGrid:
    """The cohorts from the latest on, the earlier ones pooled, and all of them pooled."""
    offsets = min(max((len(each.offsets) for each in cohorts), default=0), most_offsets)
    rows = [
        CohortRow.of(each.registration_week, [each], offsets, first_day_of(each.registration_week))
        for each in reversed(cohorts[-most:])
    ]
    if earlier := cohorts[:-most]:
        label = words.number_of(len(earlier), "earlier week")
        rows.append(CohortRow.of(label, earlier, offsets))
    more = sum(sum(filter(None, each.offsets[offsets:])) for each in cohorts)
    return CohortGrid(offsets, rows, CohortRow.of("All weeks", cohorts, offsets), more)


@dataclass(frozen=True)
class Period:
    """Some UTC days with the number of events of each kind, and the days that miss some."""

    first: date
    last: date
    events: Mapping[str, int]
    missing: Mapping[str, Sequence[date]]

    @property
    def is_day(self) -> bool:
        """Whether it is one day."""
        return self.first == self.last


def fold_days(daily: Daily, gaps: Gaps, most: int = MOST_DAYS) -> list[Period]:
    """Every UTC day from the first with events to the last with events or missing.

    Calendar weeks if there are many days.
    """
    if not daily:
        return []
    missing: dict[str, Collection[date]] = {
        REGISTERED: {*gaps.no_events, *gaps.no_registered},
        APP_LOADED: {*gaps.no_events, *gaps.no_app_loaded},
    }
    first, last = min(daily), max({*daily}.union(*missing.values()))
    length = 1
    if (last - first).days >= most:
        first, length = first - first.weekday() * DAY, 7
    periods = []
    for start in range(0, (last - first).days + 1, length):
        days = [first + (start + n) * DAY for n in range(length)]
        events = {kind: sum(daily.get(day, {}).get(kind, 0) for day in days) for kind in missing}
        without = {kind: [day for day in days if day in missing[kind]] for kind in missing}
        periods.append(Period(days[0], days[-1], events, without))
    return periods
