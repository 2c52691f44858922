"""The charts of the page, and how long results are shortened for them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from support.outputs import Drawing

from user_conversion.answer.cohorts import Cohort, FirstLoadDay
from user_conversion.answer.figures import Figures, Segment
from user_conversion.answer.finality import Gaps
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs.folding import Period, fold_cohorts, fold_days
from user_conversion.outputs.page import charts, shapes
from user_conversion.rules.weeks import first_day_of, week_label


def test_earlier_cohorts_are_pooled_per_week_that_has_ended() -> None:
    cohorts = [
        Cohort("2020-01", 10, (4, 2, 1), 3),
        Cohort("2020-02", 20, (5, 1, None), 14),
        Cohort("2020-03", 30, (6, None, None), 24),
    ]
    grid = fold_cohorts(cohorts, most=1, most_offsets=2)
    assert [row.label for row in grid.rows] == ["2020-03", "2 earlier weeks"]
    shares = [[cell and (cell.users, cell.registered) for cell in row.cells] for row in grid.rows]
    assert shares == [[(6, 30), None], [(9, 30), (3, 30)]]
    all_weeks = [cell and (cell.users, cell.registered) for cell in grid.all_weeks.cells]
    assert all_weeks == [(15, 60), (3, 30)]
    assert grid.more == 1
    assert grid.rows[1].not_yet == 17


def test_days_of_a_long_range_are_grouped_by_week() -> None:
    first = date(2020, 1, 1)
    daily = {first + timedelta(days=n): {"registered": 1, "app_loaded": 2} for n in range(100)}
    del daily[date(2020, 1, 8)]
    periods = fold_days(daily, Gaps(no_events=(date(2020, 1, 8),)))
    assert [period.first for period in periods[:2]] == [date(2019, 12, 30), date(2020, 1, 6)]
    assert periods[0].events == {"registered": 5, "app_loaded": 10}
    assert periods[1].events == {"registered": 6, "app_loaded": 12}
    assert periods[1].missing == {kind: [date(2020, 1, 8)] for kind in periods[1].events}
    assert sum(period.events["registered"] for period in periods) == 99


def week(label: str, registered: int, converted: int, complete: bool = True) -> WeekResult:
    return WeekResult.of(
        registered,
        converted,
        registration_week=label,
        week_start=first_day_of(label),
        complete=complete,
        incomplete_because=None if complete else "unfinished",
        logs_begin=False,
        seen_before=0,
    )


def period(first: date, days: int, events: tuple[int, int], *missing: tuple[date, ...]) -> Period:
    kinds = ("registered", "app_loaded")
    counts, gaps = zip(kinds, events, strict=True), zip(kinds, missing or ((), ()), strict=True)
    return Period(first, first + timedelta(days=days - 1), dict(counts), dict(gaps))


def segment(name: str, registered: int, converted: int) -> Segment:
    return Segment.of(registered, converted, by="channel", value=name)


def test_weekly_chart_shows_rates_intervals_and_users() -> None:
    weeks = [
        week("2020-02", 200, 20),
        week("2020-03", 400, 20),
        week("2020-05", 400, 40),
        week("2020-06", 100, 0, complete=False),
    ]
    chart = Drawing(charts.weekly(weeks))
    # 20 of 200 reach 14.94 %.
    rates = ["Conversion rate with 95\xa0% interval", "0 %", "5 %", "10 %", "15 %"]
    sizes = ["Users who registered", "0", "200", "400"]
    mondays = ["6 Jan", "13 Jan", "20 Jan", "27 Jan", "3 Feb"]
    assert chart.texts == [*rates, *sizes, *mondays]
    no_user = "0.00\xa0%, 0 of 100 users · 95\xa0% interval 0.00–3.70\xa0%"
    assert chart.tips == [
        "2020-02, from 6 Jan 2020 · 10.00\xa0%, 20 of 200 users · 95\xa0% interval 6.57–14.94\xa0%",
        "2020-03, from 13 Jan 2020 · 5.00\xa0%, 20 of 400 users · 95\xa0% interval 3.26–7.60\xa0%",
        "2020-04, from 20 Jan 2020 · no registrations",
        (
            "2020-05, from 27 Jan 2020 · 10.00\xa0%, 40 of 400 users · "
            "95\xa0% interval 7.43–13.33\xa0%"
        ),
        f"2020-06, from 3 Feb 2020 · {no_user} · unfinished",
    ]
    # Points are above the dates of their weeks, at the height of their rates.
    with_users = ("6 Jan", "13 Jan", "27 Jan", "3 Feb")
    assert chart.numbers("point", "cx") == [chart.label(each, "x") for each in with_users]
    heights = [chart.label(f"{rate} %", "y") for rate in (10, 5, 10, 0)]
    assert chart.numbers("point", "cy") == heights
    assert chart.numbers("interval", "x1") == chart.numbers("point", "cx")
    # Only the unfinished week is hatched.
    assert [mark["class"] for mark in chart.marks("unfinished")] == [
        *("interval unfinished", "point unfinished", "bar users unfinished")
    ]
    (hatched,) = chart.marks("hatched")
    middle = float(hatched["x"]) + float(hatched["width"]) / 2
    assert middle == pytest.approx(chart.label("3 Feb", "x"), abs=0.01)
    # The line ends before the week without users, and begins anew.
    assert [len(mark["points"].split()) for mark in chart.marks("rates")] == [2, 1]
    assert [len(mark["points"].split()) for mark in chart.marks("ribbon")] == [4, 2]
    first, second, third, fourth = chart.numbers("bar", "height")
    assert second == third == pytest.approx(2 * first) == pytest.approx(4 * fourth)


def test_weekly_chart_of_two_years_is_a_line_without_points() -> None:
    monday = date(2020, 1, 6)
    labels = [week_label(monday + timedelta(weeks=n)) for n in range(104)]
    weeks = [week(label, 100, 7, complete=n < 103) for n, label in enumerate(labels)]
    # Week 50 has no neighbours, so that no line shows it.
    chart = Drawing(charts.weekly(weeks[:49] + weeks[50:51] + weeks[52:]))
    assert [len(mark["points"].split()) for mark in chart.marks("rates")] == [49, 1, 51]
    assert [mark["class"] for mark in chart.marks("point")] == [
        "point complete",
        "point unfinished",
    ]
    assert chart.marks("interval") == []
    assert len(chart.marks("bar")) == 102
    assert len(chart.tips) == 104
    assert chart.texts[-5:] == ["Jan 2020", "Jun 2020", "Oct 2020", "Mar 2021", "Aug 2021"]


def test_interval_beyond_the_axis_ends_at_its_top() -> None:
    weeks = [week("2020-02", 4000, 200), week("2020-03", 2, 0)]
    # Small samples do not set the axis.
    assert weeks[1].interval == (0.0, 65.76)
    chart = Drawing(charts.weekly(weeks))
    assert chart.numbers("interval", "y1")[1] == chart.label("0 %", "y")
    assert chart.numbers("interval", "y2")[1] == 0


def test_segments_chart_shows_rates_intervals_and_the_overall_rate() -> None:
    name = """<b onclick="x">'&amp;"""
    rows = [
        segment(name, 1_000, 200),
        segment("x" * 300, 1_000, 100),
        segment("few", 5, 0),
    ]
    chart = Drawing(charts.segments(rows, Figures.of(2_005, 200)))
    assert chart.texts == [
        *("0 %", "5 %", "10 %", "15 %", "20 %"),
        *(name, "20.00\xa0%"),
        *("x" * 43 + "…", "10.00\xa0%"),
        *("few", "0.00\xa0%"),
    ]
    assert chart.tips == [
        f"{name} · 20.00\xa0%, 200 of 1,000 users · 95\xa0% interval 17.64–22.59\xa0%",
        "x" * 300 + " · 10.00\xa0%, 100 of 1,000 users · 95\xa0% interval 8.29–12.02\xa0%",
        "few · 0.00\xa0%, 0 of 5 users · 95\xa0% interval 0.00–43.45\xa0% · small sample",
    ]
    places = [chart.label(f"{rate} %", "x") for rate in (20, 10, 0)]
    assert chart.numbers("point", "cx") == places
    assert [mark["class"] for mark in chart.marks("interval")] == [
        *("interval large", "interval large", "interval small")
    ]
    (line,) = chart.marks("overall")
    # 200 of 2,005 are 9.98 %.
    assert float(line["x1"]) == float(line["x2"]) == pytest.approx(places[1], abs=0.5)


def test_first_loads_chart_shows_the_share_of_each_day() -> None:
    days = [FirstLoadDay(n, 1_000, 400 >> n, 800) for n in range(28)]
    chart = Drawing(charts.first_loads(days))
    assert chart.texts == [
        "Share of users by full days since they registered",
        *("0 %", "10 %", "20 %", "30 %", "40 %"),
        *("0", "3", "6", "9", "12", "15", "18", "21", "24", "27"),
    ]
    assert chart.tips[:2] == [
        "First load within 24 hours · 40.00\xa0% · 400 of 1,000 users",
        "First load 1 day after · 20.00\xa0% · 200 of 1,000 users",
    ]
    assert len(chart.tips) == len(chart.marks("bar")) == 28
    tops = chart.numbers("bar", "y")
    assert tops[:3] == [chart.label(f"{share} %", "y") for share in (40, 20, 10)]
    assert tops[-1] == chart.label("0 %", "y")


def test_daily_chart_hatches_missing_days() -> None:
    first, second, third = (date(2020, 1, day) for day in (1, 2, 3))
    days = [
        period(first, 1, (50, 20)),
        period(second, 1, (0, 10), (second,), ()),
        period(third, 1, (0, 0), (third,), (third,)),
    ]
    chart = Drawing(charts.daily(days))
    assert chart.texts == [
        *("Registrations a day", "0", "20", "40"),
        *("Loads of the app a day", "0", "10", "20"),
        *("1 Jan", "2 Jan", "3 Jan"),
    ]
    assert chart.tips == [
        "1 Jan 2020 · 50 registrations · 20 loads",
        "2 Jan 2020 · 0 registrations · 10 loads · no registrations",
        "3 Jan 2020 · 0 registrations · 0 loads · no events",
    ]
    heights = {style: chart.numbers(style, "height") for style in ("registrations", "loads")}
    most = 92.59  # of 100 pixels, which leave room for 8 % more
    assert heights == {
        "registrations": [most, 0, 0],
        "loads": [most, pytest.approx(most / 2, abs=0.01), 0],
    }
    # The second and third day lack registrations, the third loads.
    second_day, third_day = sorted({*chart.numbers("hatched", "x")})
    assert chart.numbers("hatched", "x") == [second_day, third_day, third_day]


def test_daily_chart_of_a_long_range_is_by_week() -> None:
    weeks = [period(date(2020, 1, 6 + 7 * n), 7, (5, 3)) for n in range(2)]
    chart = Drawing(charts.daily(weeks))
    assert "Registrations a week" in chart.texts
    assert "Loads of the app a week" in chart.texts
    assert chart.tips[1] == "13 to 19 Jan 2020 · 5 registrations · 3 loads"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (shapes.percents(9.4), ["0 %", "2 %", "4 %", "6 %", "8 %"]),
        (shapes.percents(0.2), ["0 %", "0.05 %", "0.1 %", "0.15 %", "0.2 %"]),
        (shapes.percents(100), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        # A share of an event is none.
        (shapes.counts(1.08), ["0", "1"]),
        (shapes.counts(8_640), ["0", "5,000"]),
        (shapes.counts(8_000), ["0", "2,000", "4,000", "6,000", "8,000"]),
    ],
)
def test_axis_has_a_few_round_labels(labels: shapes.Labels, expected: list[str]) -> None:
    assert [label for _, label in labels] == expected


def test_position_is_proportional_up_to_the_end_of_the_axis() -> None:
    assert [shapes.position(value, 20, 300) for value in (0, 5, 20, 21)] == [0, 75, 300, 300]


def test_axis_of_segments_reaches_the_overall_rate() -> None:
    # As with device types: each rate is of all users, so all are below the overall rate.
    rows = [segment("a", 1_000, 40), segment("b", 1_000, 60)]
    chart = Drawing(charts.segments(rows, Figures.of(1_000, 100)))
    (line,) = chart.marks("overall")
    assert float(line["x1"]) == chart.label("10 %", "x")
