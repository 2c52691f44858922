"""The charts. Each ends in areas that cover it without being seen: they carry the tooltips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import lets_plot as lp

from user_conversion.report import drawing, scales, svg, tips, words
from user_conversion.report.drawing import Columns, Plot
from user_conversion.report.first_loads import FirstLoadDay
from user_conversion.report.folding import Period, SegmentRow
from user_conversion.results import Figures, WeekResult
from user_conversion.weeks import WEEK, monday_of

ROW_HEIGHT = 44
MOST_POINTS = 60
MOST_WHISKERS = 40
LONGEST_LABEL = 44

Weeks = Mapping[int, WeekResult]


def weekly(weeks: Sequence[WeekResult]) -> str:
    """The rate by registration week with its interval, above the size of the cohorts."""
    first, last = (monday_of(weeks[n].registration_week) for n in (0, -1))
    mondays = [first + n * WEEK for n in range((last - first).days // 7 + 1)]
    known = {(monday_of(week.registration_week) - first).days // 7: week for week in weeks}
    said = [
        tips.week(known[place]) if place in known else tips.no_week(monday)
        for place, monday in enumerate(mondays)
    ]
    return drawing.stacked(
        [(_rates(mondays, known), 240), (_sizes(mondays, known), 105)], [*said, *said]
    )


def _rates(mondays: Sequence[date], weeks: Weeks) -> Plot:
    top = scales.top([week.figures for week in weeks.values()])
    complete, unfinished = _by_completeness(weeks)
    plot = drawing.panel("Conversion rate with 95 % interval", scales.percents(top), top)
    plot += drawing.columns(unfinished, top, svg.HATCH)
    between = {"x": "x", "ymin": "low", "ymax": "high"}
    line = _rate_columns(complete, top)
    ribbon = lp.aes(**between, group="stretch")
    plot += lp.geom_ribbon(ribbon, data=line, fill=svg.BAND, size=0)
    if len(weeks) <= MOST_WHISKERS:
        whiskers = _rate_columns(weeks, top)
        plot += lp.geom_linerange(lp.aes(**between), data=whiskers, color=svg.SOFT, size=0.8)
    plot += lp.geom_line(lp.aes("x", "y", group="stretch"), data=line, color=svg.ACCENT, size=1.3)
    if len(complete) <= MOST_POINTS:
        plot += drawing.points(line, svg.ACCENT)
    plot += drawing.points(_rate_columns(unfinished, top), svg.SURFACE)
    plot += drawing.columns(range(len(mondays)), top, svg.TIP, 1)
    return plot + drawing.dated(mondays, labels=False)


def _sizes(mondays: Sequence[date], weeks: Weeks) -> Plot:
    top = scales.room(max(week.figures.total_registered for week in weeks.values()))
    complete, unfinished = _by_completeness(weeks)
    plot = drawing.panel("Users who registered", scales.counts(top, 3), top)
    plot += drawing.bars(_size_columns(complete), svg.SOFT)
    plot += drawing.bars(_size_columns(unfinished), svg.HATCH, color=svg.SOFT)
    plot += drawing.columns(range(len(mondays)), top, svg.TIP, 1)
    return plot + drawing.dated(mondays)


def _by_completeness(weeks: Weeks) -> tuple[Weeks, Weeks]:
    complete = {place: week for place, week in weeks.items() if week.complete}
    return complete, {place: week for place, week in weeks.items() if not week.complete}


def _rate_columns(weeks: Weeks, top: float) -> Columns:
    """Neighbouring weeks share a `stretch`, so that no line spans weeks without users."""
    figures = [week.figures for week in weeks.values()]
    intervals = [each.interval or (0.0, 0.0) for each in figures]
    return {
        "x": list(weeks),
        "y": [each.conversion_rate for each in figures],
        "low": [min(low, top) for low, _ in intervals],
        "high": [min(high, top) for _, high in intervals],
        "stretch": [place - index for index, place in enumerate(weeks)],
    }


def _size_columns(weeks: Weeks) -> Columns:
    return {"x": list(weeks), "y": [week.figures.total_registered for week in weeks.values()]}


def segments(rows: Sequence[SegmentRow], everybody: Figures) -> str:
    """The rate of each segment with its interval, and that of everybody as a line."""
    top = scales.top([row.figures for row in rows])
    plot = lp.ggplot() + drawing.THEME
    plot += lp.theme(panel_grid_major_x=drawing.LINES, axis_text_y="blank")
    overall = everybody.conversion_rate or 0
    plot += lp.geom_vline(xintercept=overall, color=svg.MUTED, linetype="dotted", size=1)
    texts: dict[str, str] = {}
    places = range(len(rows) - 1, -1, -1)
    for place, row in zip(places, rows, strict=True):
        plot += _interval(row, place, top)
        label, rate = f"label {place}", f"rate {place}"
        texts[label] = words.name(row.label, LONGEST_LABEL)
        texts[rate] = words.rate(row.figures.conversion_rate)
        for text, x, side in ((label, 0.0, 0), (rate, top, 1)):
            plot += drawing.text({"x": [x], "y": [place + 0.34], "text": [text]}, side)
    plot += drawing.bands(places, top, svg.TIP)
    breaks, labels = zip(*scales.percents(top), strict=True)
    plot += lp.scale_x_continuous(
        name="", breaks=list(breaks), labels=list(labels), limits=[0, top], expand=[0.02, 0]
    )
    limits = [-0.5, len(rows) - 0.5]
    plot += lp.scale_y_continuous(name="", breaks=[], limits=limits, expand=[0, 0])
    said = [tips.segment(row) for row in rows]
    return drawing.picture(plot, len(rows) * ROW_HEIGHT + 30, said, texts)


def _interval(row: SegmentRow, place: int, top: float) -> Plot:
    low, high = row.figures.interval or (0.0, 0.0)
    small = row.figures.small_sample
    height = [place - 0.12]
    line = lp.geom_segment(
        lp.aes("low", "y", xend="high", yend="y"),
        data={"y": height, "low": [min(low, top)], "high": [min(high, top)]},
        color=svg.SOFT,
        size=1 if small else 2,
        linetype="dashed" if small else "solid",
    )
    point: Columns = {"x": [row.figures.conversion_rate or 0], "y": height}
    return line + drawing.points(point, svg.SURFACE if small else svg.ACCENT)


def first_loads(days: Sequence[FirstLoadDay]) -> str:
    """The share of users who first loaded the app, by days since they registered."""
    shares = [each.figures.conversion_rate or 0 for each in days]
    top = scales.room(max(shares))
    title = "Share of users by full days since they registered"
    plot = drawing.panel(title, scales.percents(top), top)
    plot += drawing.bars({"x": [each.day for each in days], "y": shares}, svg.ACCENT)
    plot += drawing.columns(range(len(days)), top, svg.TIP, 1)
    every = -(-len(days) // 10)
    labels: scales.Labels = [(each.day, str(each.day)) for each in days[::every]]
    plot += drawing.across(labels, len(days))
    return drawing.stacked([(plot, 250)], [tips.first_load(each) for each in days])


def daily(periods: Sequence[Period]) -> str:
    """Registrations and loads, one panel each, with days that lack them hatched."""
    starts = [period.first for period in periods]
    unit = "day" if periods[0].length == 1 else "week"
    registered = _events(
        f"Registrations a {unit}",
        [period.registered for period in periods],
        [place for place, period in enumerate(periods) if period.registered_gaps],
        svg.ACCENT,
    )
    loaded = _events(
        f"Loads of the app a {unit}",
        [period.app_loaded for period in periods],
        [place for place, period in enumerate(periods) if period.app_loaded_gaps],
        svg.SECOND,
    )
    registered += drawing.dated(starts, labels=False)
    said = [tips.period(period) for period in periods]
    return drawing.stacked([(registered, 135), (loaded + drawing.dated(starts), 155)], said * 2)


def _events(title: str, counts: list[int], gaps: list[int], colour: str) -> Plot:
    top = scales.room(max(counts))
    places = list(range(len(counts)))
    plot = drawing.panel(title, scales.counts(top), top)
    plot += drawing.columns(gaps, top, svg.HATCH)
    plot += drawing.bars({"x": places, "y": counts}, colour)
    return plot + drawing.columns(places, top, svg.TIP, 1)
