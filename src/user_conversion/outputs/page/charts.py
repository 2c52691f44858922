"""The four charts of the page as SVG, drawn by the templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from user_conversion.answer.cohorts import FirstLoadDay
from user_conversion.answer.figures import Figures, Segment
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import words
from user_conversion.outputs.folding import Period
from user_conversion.outputs.page import shapes, tips
from user_conversion.outputs.page.shapes import Bar, Estimate, Panel, PanelChart, RowChart
from user_conversion.rules.log_format import APP_LOADED, REGISTERED
from user_conversion.rules.weeks import WEEK

# More points or intervals would overlap.
MOST_POINTS = 60
MOST_INTERVALS = 40
MOST_DAY_LABELS = 10

# The template engine of the page and its charts. It escapes every text. A misspelt name in a
# template is an error, rather than an empty part of a chart.
TEMPLATES = Environment(
    loader=PackageLoader("user_conversion.outputs.page"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
TEMPLATES.globals.update(words=words, tips=tips)

Weeks = Mapping[int, WeekResult]


def weekly(weeks: Sequence[WeekResult]) -> Markup:
    """The rate by registration week with its interval, above the number of users."""
    first, last = (weeks[n].week_start for n in (0, -1))
    mondays = [first + n * WEEK for n in range((last - first).days // 7 + 1)]
    known = {(week.week_start - first).days // 7: week for week in weeks}
    tooltips = [
        tips.week(known[place]) if place in known else tips.no_week(monday)
        for place, monday in enumerate(mondays)
    ]
    chart = PanelChart([_rates(known), _sizes(known)], shapes.dates(mondays), tooltips)
    return draw("panels.svg", chart)


def _rates(weeks: Weeks) -> Panel:
    """Complete weeks as a line in a ribbon; others as hatched points, with their forecasts."""
    forecasts = {place: week.forecast for place, week in weeks.items() if week.forecast}
    ends = [min(100.0, shapes.room(each.interval[1])) for each in forecasts.values()]
    highest = max([shapes.top([*weeks.values()]), *ends])
    estimates = [Estimate.of(place, week, _style(week)) for place, week in weeks.items()]
    complete = [each for each in estimates if weeks[each.place].complete]
    unfinished = [each for each in estimates if not weeks[each.place].complete]
    stretches = _stretches(complete)
    if len(complete) > MOST_POINTS:
        # Without neighbours a week is not on a line, so it keeps its point.
        complete = [stretch[0] for stretch in stretches if len(stretch) == 1]
    return Panel(
        f"Conversion rate with {words.INTERVAL}",
        200,
        highest,
        shapes.percents(highest),
        hatched=[each.place for each in unfinished],
        stretches=stretches,
        intervals=estimates if len(estimates) <= MOST_INTERVALS else [],
        forecasts=forecasts,
        points=complete + unfinished,
    )


def _sizes(weeks: Weeks) -> Panel:
    users = {place: week.total_registered for place, week in weeks.items()}
    highest = shapes.room(max(users.values()))
    bars = [Bar(place, users[place], f"users {_style(week)}") for place, week in weeks.items()]
    return Panel("Users who registered", 60, highest, shapes.counts(highest, 3), bars=bars)


def _style(week: WeekResult) -> str:
    return "complete" if week.complete else "unfinished"


def _stretches(estimates: Sequence[Estimate]) -> list[list[Estimate]]:
    """Runs of neighbouring weeks: no line crosses a week without users."""
    runs = groupby(enumerate(estimates), key=lambda each: each[1].place - each[0])
    return [[estimate for _, estimate in run] for _, run in runs]


def segments(rows: Sequence[Segment], all_users: Figures) -> Markup:
    """The rate of each segment with its interval, and the overall rate as a line."""
    highest = shapes.top([all_users, *rows])
    overall = all_users.conversion_rate or 0.0
    return draw("rows.svg", RowChart(rows, highest, shapes.percents(highest), overall))


def first_loads(days: Sequence[FirstLoadDay]) -> Markup:
    """The share of users who first loaded the app, by days since they registered."""
    shares = [each.share or 0.0 for each in days]
    highest = shapes.room(max(shares))
    title = "Share of users by full days since they registered"
    bars = [Bar(place, share, "first-loads") for place, share in enumerate(shares)]
    panel = Panel(title, 194, highest, shapes.percents(highest), bars=bars)
    labels: shapes.Labels = [
        (place, str(days[place].day)) for place in shapes.every(len(days), MOST_DAY_LABELS)
    ]
    tooltips = [tips.first_load(each) for each in days]
    return draw("panels.svg", PanelChart([panel], labels, tooltips))


def daily(periods: Sequence[Period]) -> Markup:
    """Registrations and loads, one panel each; days without are hatched."""
    unit = "day" if periods[0].is_day else "week"
    panels = [
        _events(f"Registrations a {unit}", periods, REGISTERED, "registrations"),
        _events(f"Loads of the app a {unit}", periods, APP_LOADED, "loads"),
    ]
    labels = shapes.dates([period.first for period in periods])
    tooltips = [tips.period(period) for period in periods]
    return draw("panels.svg", PanelChart(panels, labels, tooltips))


def _events(title: str, periods: Sequence[Period], kind: str, style: str) -> Panel:
    """One bar per period; periods with a day without events are hatched."""
    highest = shapes.room(max(period.events[kind] for period in periods))
    gaps = [place for place, period in enumerate(periods) if period.missing[kind]]
    bars = [Bar(place, period.events[kind], style) for place, period in enumerate(periods)]
    return Panel(title, 100, highest, shapes.counts(highest), hatched=gaps, bars=bars)


def draw(template: str, chart: PanelChart | RowChart) -> Markup:
    """A chart by its template."""
    return Markup(TEMPLATES.get_template(template).render(chart=chart))
