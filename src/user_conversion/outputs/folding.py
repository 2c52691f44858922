"""Long results shortened: the largest or latest rows, and the others pooled in one.

Users are added up; rates are never averaged. Charts and tables show the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

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
    level: int = 0

    @property
    def share(self) -> float | None:
        """Percent with two decimals."""
        return percent(self.users, self.registered)


@dataclass(frozen=True)
class CohortRow:
    """One cohort, or several pooled; a cell is None if its week has not ended."""

    label: str
    monday: date | None
    registered: int
    cells: tuple[Cell | None, ...]
    not_yet: int


@dataclass(frozen=True)
class CohortGrid:
    """The cohort triangle by week offset; `more` counts first loads in later weeks."""

    offsets: int
    rows: tuple[CohortRow, ...]
    all_weeks: CohortRow
    more: int


@dataclass(frozen=True)
class Period:
    """A UTC day, or seven from a Monday, with its events; gaps are missing days."""

    first: date
    length: int
    registered: int
    app_loaded: int
    registered_gaps: tuple[date, ...]
    app_loaded_gaps: tuple[date, ...]


def fold_cohorts(
    cohorts: Sequence[Cohort], most: int = MOST_COHORTS, most_offsets: int = MOST_OFFSETS
) -> CohortGrid:
    """The cohorts from the latest on, the earlier ones pooled, and all of them pooled."""
    offsets = min(max((len(each.offsets) for each in cohorts), default=0), most_offsets)
    earlier, latest = list(cohorts[:-most]), list(cohorts[-most:])
    rows = [_cohort_row(each.registration_week, [each], offsets) for each in latest]
    rows = [replace(row, monday=first_day_of(row.label)) for row in rows]
    if earlier:
        label = words.number_of(len(earlier), "earlier week")
        rows.insert(0, _cohort_row(label, earlier, offsets))
    shares = [cell.share or 0 for row in rows for cell in row.cells if cell]
    highest = max(shares, default=0)
    return CohortGrid(
        offsets,
        tuple(_coloured(row, highest) for row in reversed(rows)),
        _cohort_row("All weeks", cohorts, offsets),
        sum(sum(filter(None, each.offsets[offsets:])) for each in cohorts),
    )


def _cohort_row(label: str, cohorts: Sequence[Cohort], offsets: int) -> CohortRow:
    """Cohorts pooled; each offset has the cohorts for which its week has ended."""
    cells: list[Cell | None] = []
    for offset in range(offsets):
        known = [(each.offsets[offset], each.total_registered) for each in cohorts]
        known = [pair for pair in known if pair[0] is not None]
        users = sum(each or 0 for each, _ in known)
        cells.append(Cell(users, sum(registered for _, registered in known)) if known else None)
    registered = sum(each.total_registered for each in cohorts)
    return CohortRow(label, None, registered, tuple(cells), sum(each.never for each in cohorts))


def _coloured(row: CohortRow, highest: float) -> CohortRow:
    cells = (cell and replace(cell, level=_level(cell.share or 0, highest)) for cell in row.cells)
    return replace(row, cells=tuple(cells))


def _level(share: float, highest: float) -> int:
    """0 for a share of 0, else 1 to `HEAT_LEVELS` in equal steps up to the highest share."""
    return -int(-share * HEAT_LEVELS // highest) if share else 0


def fold_days(daily: Daily, gaps: Gaps, most: int = MOST_DAYS) -> list[Period]:
    """Every UTC day from the first with events to the last with events or missing.

    Seven at a time where they are many.
    """
    if not daily:
        return []
    missing = {
        REGISTERED: {*gaps.no_events, *gaps.no_registered},
        APP_LOADED: {*gaps.no_events, *gaps.no_app_loaded},
    }
    first, last = min(daily), max({*daily}.union(*missing.values()))
    length = 1 if (last - first).days < most else 7
    start = first if length == 1 else first - first.weekday() * DAY
    periods = []
    while start <= last:
        days = [start + timedelta(days=n) for n in range(length)]
        days = [day for day in days if first <= day <= last]
        periods.append(_period(days, start, length, daily, missing))
        start += timedelta(days=length)
    return periods


def _period(
    days: Sequence[date], start: date, length: int, daily: Daily, missing: Mapping[str, set[date]]
) -> Period:
    counts = {
        event: [daily.get(day, {}).get(event, 0) for day in days]
        for event in (REGISTERED, APP_LOADED)
    }
    gaps = {event: tuple(day for day in days if day in missing[event]) for event in counts}
    return Period(
        start,
        length,
        sum(counts[REGISTERED]),
        sum(counts[APP_LOADED]),
        gaps[REGISTERED],
        gaps[APP_LOADED],
    )
