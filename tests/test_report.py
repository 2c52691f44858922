"""The page and the exports: the figures of the JSON, nothing that acts, nothing from elsewhere."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.command import Finished, command
from support.logs import app_loaded, registered, write_log

from user_conversion import outputs
from user_conversion.errors import DatasetError, OutputError, SettingsError
from user_conversion.outputs.folding import (
    Period,
    SegmentRow,
    fold_cohorts,
    fold_days,
    fold_segments,
)
from user_conversion.outputs.page import charts, scales
from user_conversion.outputs.page.page import render
from user_conversion.results import (
    Cohort,
    ConversionResult,
    Figures,
    FirstLoadDay,
    FirstLoads,
    Gaps,
    Quality,
    Segment,
    Segmentation,
    WeekResult,
)
from user_conversion.run_record import RunRecord
from user_conversion.weeks import week_label

SAMPLE = Path(__file__).parent.parent / "data-input" / "dataset.json"
STYLE = Path(charts.__file__).parent / "templates" / "style.css"

# The worked example of the brief: three users, one converted.
WORKED_EXAMPLE = [
    registered("2020-11-02T06:21:14Z", 1, "invite"),
    registered("2020-11-02T07:00:14Z", 2, "invite"),
    registered("2020-11-03T07:00:14Z", 3),
    app_loaded("2020-11-03T06:24:42Z", 1),
    app_loaded("2020-11-11T10:13:42Z", 2),
    app_loaded("2020-11-12T11:08:42Z", 2),
    app_loaded("2020-11-17T11:08:42Z", 3),
]
HOSTILE = (
    "<script>alert(1)</script>",
    "x" * 300,
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '<a href="https://example.org">here</a>',
    r"\( \frac{1}{2} \)",
    "{{ 7 * 7 }}",
    "&lt;b&gt;",
    "]]><!--",
)


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, texts, tables by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._caption = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        text = data.strip("\n")
        self.texts.append(text)
        if "caption" in self._open:
            self._caption += text
        # Notes below a name are words, not figures.
        elif self._rows and self._rows[-1] and not {"small", "thead"} & {*self._open}:
            self._rows[-1][-1] += text.strip() if {"th", "td"} & {*self._open} else ""

    def attributes(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.elements if name in found]

    def table(self, caption: str) -> dict[str, list[str]]:
        return {row[0]: row[1:] for row in self.tables[caption] if row[0]}


def run(output: Path, lines: list[str], *options: object) -> Finished:
    log = write_log(output.parent / "events.json", lines)
    finished = command("run", "--input", log, "--output", output, *options)
    assert finished.status == 0, finished.err
    return finished


def rendered(output: Path, format: str = "html") -> str:  # noqa: A002
    return outputs.render(RunRecord.load(output), format)


def page_on(output: Path) -> Page:
    return Page(rendered(output))


# ---------------------------------------------------------------- figures


def test_worked_example(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    page = page_on(output)
    assert "33.33\xa0% of new users first came back in the week after they registered" in page.texts
    assert page.table("Conversion by registration week") == {
        "2020-45small sample": ["3", "1", "33.33\xa0%", "6.15–79.23"]
    }
    assert page.table("Conversion by channel over complete weeks") == {
        "invitesmall sample": ["2", "1", "50.00\xa0%", "9.45–90.55"],
        "(no channel)small sample": ["1", "0", "0.00\xa0%", "0.00–79.35"],
        "All users": ["3", "1", "33.33\xa0%", "6.15–79.23"],
    }
    cohorts = "Share and number of users by registration week and weeks until the first load"
    assert page.table(cohorts) == {
        "2020-45": ["3", "33.33\xa0%", "33.33\xa0%", "not known yet", "0"],
        "All weeks": ["3", "33.33\xa0%", "33.33\xa0%", "not known yet", "0"],
    }
    loads = page.table("First loads by days since the registration")
    # Observed through 16 November, so for 14 full days of users 1 and 2, and 13 of user 3.
    assert list(loads) == ["0 (first 24 hours)", *map(str, range(1, 14))]
    assert loads["1"] == ["3", "1", "33.33\xa0%", "33.33\xa0%"]
    assert loads["9"] == ["3", "1", "33.33\xa0%", "66.67\xa0%"]
    assert loads["13"] == ["2", "0", "0.00\xa0%", "100.00\xa0%"]
    days = page.table("Events by UTC day")
    assert len(days) == 16
    assert days["2 Nov 2020"] == ["2", "0"]
    assert days["3 Nov 2020"] == ["1", "1"]
    assert days["4 Nov 2020"] == ["0", "0"]


def test_data_quality(output: Path) -> None:
    more = [
        "not json",
        "",
        json.dumps({"event": "app_updated"}),
        registered("2020-11-04T00:00:00Z", 1),
        app_loaded("2020-11-01T00:00:00Z", 3),
        app_loaded("2020-11-02T00:00:00Z", 99),
    ]
    run(output, WORKED_EXAMPLE + more, "--max-rejected", 1)
    page = page_on(output)
    assert page.table("Lines by outcome") == {
        "Lines read": ["13", "100.00\xa0%"],
        "registered": ["4", "30.77\xa0%"],
        "app_loaded": ["6", "46.15\xa0%"],
        "other": ["1", "7.69\xa0%"],
        "blank": ["1", "7.69\xa0%"],
        "rejected": ["1", "7.69\xa0%"],
    }
    assert page.table("Rejected lines by reason") == {"not one JSON object": ["1", "100.00\xa0%"]}
    assert page.table("Events that are not used") == {
        "Duplicate registrations": ["1"],
        "Loads without registration": ["1"],
        "Loads before registration": ["1"],
    }


@pytest.mark.parametrize("by", [None, "channel", "device_type"])
def test_figures_are_those_of_the_json(tmp_path: Path, by: str | None) -> None:
    output = tmp_path / "output"
    options = ["--by", by] if by else []
    document = command(
        *("run", "--input", SAMPLE, "--output", output, "--format", "json", *options)
    ).json()
    page = page_on(output)
    weeks = {
        key.removesuffix("unfinished").removesuffix("logs begin"): row
        for key, row in page.table("Conversion by registration week").items()
    }
    assert weeks == {week["registration_week"]: as_cells(week) for week in document["weeks"]}
    tips = page.attributes("data-tip")
    for week in document["weeks"]:
        (tip,) = {tip for tip in tips if tip.startswith(f"{week['registration_week']}, from ")}
        assert f"{week['total_converted']:,} of {week['total_registered']:,} users" in tip
        assert ("unfinished" in tip) is not week["complete"]
    for figures in (document, document["complete"]):
        assert f"{figures['conversion_rate']:.2f}\xa0%" in page.texts
        low, high = figures["interval"]
        assert f"95\xa0% interval {low:.2f}–{high:.2f}\xa0%" in page.texts
    with_channels = command(
        "conversion-rate", "--output", output, "--by", "channel", "--format", "json"
    ).json()
    segments = page.table("Conversion by channel over complete weeks")
    assert segments.pop("All users") == as_cells(document["complete"])
    assert segments == {
        (each["value"] or "(no channel)") + "small sample" * each["small_sample"]: as_cells(each)
        for each in with_channels["segments"]
    }
    assert "Too few users to test whether segments differ." in page.texts
    assert ("Conversion by device_type over complete weeks" in page.tables) == (by == "device_type")


def as_cells(figures: dict[str, Any]) -> list[str]:
    low, high = figures["interval"]
    return [
        f"{figures['total_registered']:,}",
        f"{figures['total_converted']:,}",
        f"{figures['conversion_rate']:.2f}\xa0%",
        f"{low:.2f}–{high:.2f}",
    ]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--by", "channel", "--timezone", "Asia/Tokyo"],
        ["--as-of", "2020-01-20", "--definition", "any-load-next-week"],
    ],
)
def test_result_written_as_json_and_read_back_is_the_same(
    tmp_path: Path, options: list[str]
) -> None:
    output = tmp_path / "output"
    document = command(
        *("run", "--input", SAMPLE, "--output", output, "--format", "json", *options)
    ).json()
    again = ConversionResult.from_json(document).as_json()
    assert json.loads(json.dumps(again)) == document
    assert len(document["daily"]) == (20 if "--as-of" in options else 31)


def test_the_page_is_the_same_every_time(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    assert rendered(output) == rendered(output)


# ---------------------------------------------------------------- little or nothing to show


def test_no_registration(output: Path) -> None:
    run(output, [app_loaded("2020-11-03T06:24:42Z", 1)])
    page = page_on(output)
    assert "No registrations found" in page.texts
    assert "Conversion by registration week" not in page.tables
    assert "1 Jan" not in "".join(page.texts)


def test_only_unfinished_weeks(output: Path) -> None:
    run(output, WORKED_EXAMPLE, "--as-of", "2020-11-05")
    page = page_on(output)
    assert any("no week is complete yet" in text.lower() for text in page.texts)
    assert list(page.table("Conversion by registration week")) == [
        "2020-45unfinished, small sample"
    ]
    assert "Conversion by channel over complete weeks" not in page.tables
    assert any("Segments are compared over complete weeks" in text for text in page.texts)


def test_a_week_without_registrations_keeps_its_place(output: Path) -> None:
    later = [registered("2020-11-17T00:00:00Z", 4), app_loaded("2020-12-01T00:00:00Z", 4)]
    run(output, WORKED_EXAMPLE + later)
    tips = page_on(output).attributes("data-tip")
    assert "2020-46, from 9 Nov 2020 · no registrations" in tips


# ---------------------------------------------------------------- long results


def test_the_largest_segments_are_shown_and_the_rest_pooled() -> None:
    sizes = [Segment(f"c{size:03}", Figures(size, size // 4)) for size in range(1, 201)]
    rows = fold_segments(Segmentation("channel", tuple(reversed(sizes))))
    assert len(rows) == 21
    assert {row.label for row in rows[:-1]} == {f"c{size:03}" for size in range(181, 201)}
    rates = [row.figures.conversion_rate or 0 for row in rows[:-1]]
    assert rates == sorted(rates, reverse=True)
    assert rows[-1].label == "180 smaller ones together"
    assert rows[-1].figures == Figures(16290, sum(size // 4 for size in range(1, 181)))


def test_one_more_segment_than_shown_is_no_rest() -> None:
    sizes = [Segment(str(size), Figures(size, 1)) for size in range(1, 22)]
    assert [row.rest for row in fold_segments(Segmentation("channel", tuple(sizes)))] == [
        False
    ] * 21


def test_earlier_cohorts_are_pooled_where_they_are_known() -> None:
    cohorts = [
        Cohort("2020-01", 10, (4, 2, 1), 3),
        Cohort("2020-02", 20, (5, 1, None), 14),
        Cohort("2020-03", 30, (6, None, None), 24),
    ]
    grid = fold_cohorts(cohorts, most=1, most_offsets=2)
    assert [row.label for row in grid.rows] == ["2 earlier weeks", "2020-03"]
    shares = [[cell and (cell.users, cell.registered) for cell in row.cells] for row in grid.rows]
    assert shares == [[(9, 30), (3, 30)], [(6, 30), None]]
    everybody = [cell and (cell.users, cell.registered) for cell in grid.all_weeks.cells]
    assert everybody == [(15, 60), (3, 30)]
    assert grid.more == 1
    assert grid.rows[0].not_yet == 17


def test_many_days_are_shown_by_week() -> None:
    first = date(2020, 1, 1)
    daily = {first + timedelta(days=n): {"registered": 1, "app_loaded": 2} for n in range(100)}
    del daily[date(2020, 1, 8)]
    periods = fold_days(daily, Gaps(events=(date(2020, 1, 8),)))
    assert [period.first for period in periods[:2]] == [date(2019, 12, 30), date(2020, 1, 6)]
    assert (periods[0].registered, periods[0].app_loaded) == (5, 10)
    assert (periods[1].registered, periods[1].app_loaded) == (6, 12)
    assert periods[1].registered_gaps == periods[1].app_loaded_gaps == (date(2020, 1, 8),)
    assert sum(period.registered for period in periods) == 99


def ten_years() -> RunRecord:
    """520 weeks, 200 channels with long names, every day with events but a few."""
    monday = date(2014, 1, 6)
    starts = [monday + timedelta(weeks=n) for n in range(520)]
    labels = [week_label(start) for start in starts]
    channels = [f"{n:03}" + "é" * 297 for n in range(200)]
    result = ConversionResult(
        definition="next-week",
        timezone="UTC",
        observed_through=monday + timedelta(days=3639),
        weeks=tuple(WeekResult(label, Figures(700_000, 49_000), True) for label in labels),
        channels=Segmentation(
            "channel", tuple(Segment(name, Figures(9_000, 700)) for name in channels)
        ),
        segmentation=None,
        cohorts=tuple(
            Cohort(label, 700_000, (*[999] * (520 - n), *[None] * n), 1)
            for n, label in enumerate(labels)
        ),
        first_loads=FirstLoads(tuple(FirstLoadDay(n, 9_000_000, 5, 5) for n in range(28)), 1, 2),
        gaps=Gaps(events=tuple(monday + timedelta(days=100 * n) for n in range(37))),
        quality=Quality(),
        events=None,
        daily={
            monday + timedelta(days=n): {"registered": 100_000, "app_loaded": 50_000}
            for n in range(3640)
            if n % 100
        },
    )
    record = {"run_at": "2024-01-01T00:00:00+00:00", "engine": "duckdb", "jobs": {}}
    return RunRecord(record | {"versions": {"user-conversion": "0"}}, result)


def test_ten_years_and_two_hundred_channels_stay_readable() -> None:
    text = render(ten_years())
    assert len(text.encode()) < 1_000_000
    page = Page(text)
    assert len(page.table("Conversion by registration week")) == 520
    assert len(page.table("Conversion by channel over complete weeks")) == 22
    assert any(row.startswith("494 earlier weeks") for row in page.texts)
    assert (
        "The chart shows the latest 104 weeks. The 416 weeks before them together: "
        "7.00\xa0%, 20,384,000 of 291,200,000 users." in page.texts
    )


# ---------------------------------------------------------------- charts


class Drawing:
    """A chart taken apart: its texts, its tooltips and its marks by class, in order."""

    def __init__(self, svg: str) -> None:
        self._root = ElementTree.fromstring(svg)
        texts = list(self._root.iter("text"))
        self.texts = [each.text or "" for each in texts]
        self._places = {each.text: each for each in texts}
        self.tips = [
            each.attrib["data-tip"] for each in self._root.iter() if "data-tip" in each.attrib
        ]

    def marks(self, style: str) -> list[dict[str, str]]:
        """The attributes of every mark that has a class."""
        return [each.attrib for each in self._root.iter() if style in each.get("class", "").split()]

    def numbers(self, style: str, name: str) -> list[float]:
        return [float(mark[name]) for mark in self.marks(style)]

    def label(self, text: str, name: str) -> float:
        """Where a label stands."""
        return float(self._places[text].attrib[name])


def week(label: str, registered: int, converted: int, complete: bool = True) -> WeekResult:
    because = None if complete else "unfinished"
    return WeekResult(label, Figures(registered, converted), complete, because)


def test_weekly_chart() -> None:
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
    nobody = "0.00\xa0%, 0 of 100 users · 95\xa0% interval 0.00–3.70\xa0%"
    assert chart.tips == [
        "2020-02, from 6 Jan 2020 · 10.00\xa0%, 20 of 200 users · 95\xa0% interval 6.57–14.94\xa0%",
        "2020-03, from 13 Jan 2020 · 5.00\xa0%, 20 of 400 users · 95\xa0% interval 3.26–7.60\xa0%",
        "2020-04, from 20 Jan 2020 · no registrations",
        (
            "2020-05, from 27 Jan 2020 · 10.00\xa0%, 40 of 400 users · "
            "95\xa0% interval 7.43–13.33\xa0%"
        ),
        f"2020-06, from 3 Feb 2020 · {nobody} · unfinished: its users can still convert",
    ]
    # Points stand above the dates of their weeks, at the height of their rates.
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


def test_an_interval_beyond_the_axis_ends_with_it() -> None:
    weeks = [week("2020-02", 4000, 200), week("2020-03", 2, 0)]
    # Small samples do not set the axis.
    assert weeks[1].figures.interval == (0.0, 65.76)
    chart = Drawing(charts.weekly(weeks))
    assert chart.numbers("interval", "y1")[1] == chart.label("0 %", "y")
    assert chart.numbers("interval", "y2")[1] == 0


def test_segments_chart() -> None:
    name = """<b onclick="x">'&amp;"""
    rows = [
        SegmentRow(name, Figures(1_000, 200)),
        SegmentRow("x" * 300, Figures(1_000, 100)),
        SegmentRow("few", Figures(5, 0)),
    ]
    chart = Drawing(charts.segments(rows, Figures(2_005, 200)))
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


def test_first_loads_chart() -> None:
    days = [FirstLoadDay(n, 1_000, 400 >> n, 0) for n in range(28)]
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


def test_daily_chart() -> None:
    first, second, third = (date(2020, 1, day) for day in (1, 2, 3))
    days = [
        Period(first, 1, 50, 20, (), ()),
        Period(second, 1, 0, 10, (second,), ()),
        Period(third, 1, 0, 0, (third,), (third,)),
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


def test_daily_chart_of_weeks_says_so() -> None:
    weeks = [Period(date(2020, 1, 6 + 7 * n), 7, 5, 3, (), ()) for n in range(2)]
    chart = Drawing(charts.daily(weeks))
    assert "Registrations a week" in chart.texts
    assert "Loads of the app a week" in chart.texts
    assert chart.tips[1] == "13 Jan 2020 to 19 Jan 2020 · 5 registrations · 3 loads"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (scales.percents(9.4), ["0 %", "2 %", "4 %", "6 %", "8 %"]),
        (scales.percents(0.2), ["0 %", "0.05 %", "0.1 %", "0.15 %", "0.2 %"]),
        (scales.percents(100), ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]),
        # A share of an event is none.
        (scales.counts(1.08), ["0", "1"]),
        (scales.counts(8_640), ["0", "5,000"]),
        (scales.counts(8_000), ["0", "2,000", "4,000", "6,000", "8,000"]),
    ],
)
def test_axes_have_a_few_round_labels(labels: scales.Labels, expected: list[str]) -> None:
    assert [label for _, label in labels] == expected


def test_values_lie_in_proportion_and_never_beyond_their_axis() -> None:
    assert [scales.position(value, 20, 300) for value in (0, 5, 20, 21)] == [0, 75, 300, 300]


# ---------------------------------------------------------------- a page that does no harm


@pytest.fixture
def hostile_page(output: Path) -> Page:
    lines = [
        registered(f"2020-11-0{2 + minute % 7}T06:{minute:02}:00Z", minute, name)
        for minute, name in enumerate([*HOSTILE, "", None])
    ]
    loads = [app_loaded("2020-11-18T11:08:42Z", 1), app_loaded("2020-11-10T00:00:00Z", 2)]
    # Somebody else loads the app every day, so that no day is missing.
    loads += [app_loaded(f"2020-11-{day:02}T00:00:00Z", 99) for day in range(2, 19)]
    run(output, lines + loads)
    return page_on(output)


def test_names_from_the_logs_are_shown_and_inert(hostile_page: Page) -> None:
    names = [text for text in hostile_page.texts if text in HOSTILE]
    # Each in the table, and but for the long one also in the chart. One that begins with a
    # quotation mark is shown in quotation marks.
    assert {*names} == {*HOSTILE} - {HOSTILE[2]}
    assert f'"{HOSTILE[2]}"' in hostile_page.texts
    for name in {*names}:
        assert names.count(name) >= 1 + (len(name) < 44)
    assert any(tip.startswith(HOSTILE[0]) for tip in hostile_page.attributes("data-tip"))
    assert '""' in hostile_page.texts
    assert "(no channel)" in hostile_page.texts
    elements = [tag for tag, _ in hostile_page.elements]
    assert elements.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "form", "base"} & {*elements}
    attributes = {name for _, found in hostile_page.elements for name in found}
    assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_page_makes_no_network_requests(hostile_page: Page) -> None:
    assert {*hostile_page.attributes("href")} == {"#main", "data:,"}
    for name in ("src", "srcset", "xlink:href", "action", "data", "poster", "background"):
        assert hostile_page.attributes(name) == []
    style = STYLE.read_text()
    assert "@import" not in style
    # The pattern is part of the page itself.
    assert {*re.findall(r"url\((.*?)\)", style)} == {"#hatch"}
    assert "hatch" in hostile_page.attributes("id")


def test_the_policy_lets_only_its_own_style_and_script_work(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    text = rendered(output)
    (policy,) = (
        found["content"] or ""
        for tag, found in Page(text).elements
        if found.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    hashes = {
        tag: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for tag, content in re.findall(r"<(style|script)>(.*?)</\1>", text, re.DOTALL)
    }
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{hashes['style']}'",
        "script-src": f"'sha256-{hashes['script']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


# ---------------------------------------------------------------- a page for everybody


def test_headings_landmarks_and_charts_have_names(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    page = page_on(output)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in page.elements]
    for landmark in ("header", "main", "footer"):
        assert tags.count(landmark) == 1
    charts = [found for tag, found in page.elements if tag == "figure"]
    assert len(charts) == 4
    assert all(chart["aria-label"] and chart["tabindex"] == "0" for chart in charts)
    assert ("html", {"lang": "en"}) in page.elements
    identifiers = page.attributes("id")
    assert len(identifiers) == len({*identifiers})
    assert {*page.attributes("aria-labelledby")} <= {*identifiers}


# Pairs of what is written on what, by the names of the style sheet.
CONTRASTS = [
    *[(ink, ground) for ink in ("ink", "muted") for ground in ("page", "surface")],
    *[("accent", "surface"), ("accent", "page"), ("ink", "warn"), ("surface", "ink")],
    *[("heat-ink", f"heat-{level}") for level in range(1, 6)],
    *[("heat-ink-strong", f"heat-{level}") for level in range(6, 9)],
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", {"light": light, "dark": dark}[scheme]))
    for ink, ground in CONTRASTS:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    # What is drawn needs less than what is written.
    for paint in ("accent", "second", "soft"):
        assert contrast(colours[paint], colours["surface"]) >= (2 if paint == "soft" else 3), paint


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 defines it."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# ---------------------------------------------------------------- files and other formats


def test_csv_has_a_line_for_each_week(output: Path) -> None:
    document = json.loads(
        command(*("run", "--input", SAMPLE, "--output", output, "--format", "json")).out
    )
    lines = list(csv.DictReader(rendered(output, "csv").splitlines()))
    assert lines[0] == {
        "registration_week": "2020-W01",
        "week_start": "2019-12-30",
        "total_registered": "863",
        "total_converted": "59",
        "conversion_rate": "6.84",
        "interval_low": "5.34",
        "interval_high": "8.72",
        "complete": "true",
        "incomplete_because": "",
        "small_sample": "false",
        "forecast_rate": "",
        "forecast_low": "",
        "forecast_high": "",
    }
    assert [line["registration_week"].replace("W", "") for line in lines] == [
        week["registration_week"] for week in document["weeks"]
    ]


def test_json_is_what_the_conversion_printed(output: Path) -> None:
    printed = run(output, WORKED_EXAMPLE, "--by", "channel", "--format", "json").out
    assert rendered(output, "json") == printed


def test_markdown_is_a_message_with_a_table(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    assert rendered(output, "md") == (
        "**Weekly user conversion: 33.33 % (95 % interval 6.15–79.23 %)**\n\n"
        "Complete weeks: 1 of 3 users. All registrations: 33.33 %, 1 of 3 users.  \n"
        "Definition `next-week`, weeks in UTC, observed through 2020-11-16.\n\n"
        "| Week | Starts | Registered | Converted | Rate | 95 % interval | |\n"
        "|---|---|--:|--:|--:|--:|---|\n"
        "| 2020-45 | 2020-11-02 | 3 | 1 | 33.33 % | 6.15–79.23 % | small sample |\n"
    )


def test_markdown_pools_the_weeks_that_it_leaves_out(output: Path) -> None:
    monday = date(2020, 1, 6)
    weeks = [registered(f"{monday + timedelta(weeks=n)}T12:00:00Z", n) for n in range(15)]
    run(output, [*weeks, app_loaded("2020-01-15T12:00:00Z", 0)])
    message = rendered(output, "md")
    assert message.count("\n| 2020-") == 12
    assert "3 earlier weeks: 33.33 %, 1 of 3 users." in message


def test_report_goes_to_the_file_or_to_stdout(
    output: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(output, WORKED_EXAMPLE)
    record = RunRecord.load(output)
    outputs.write(record, "html", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (output / "report.html").read_bytes()
    outputs.write(record, "csv", tmp_path / "weeks.csv")
    assert capfd.readouterr().out == ""
    outputs.write(record, "csv", None)
    assert capfd.readouterr().out == (tmp_path / "weeks.csv").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("events.json", "output", "page.html", "weeks.csv")
    }


@pytest.mark.parametrize("format_", outputs.WRITERS)
def test_every_format_needs_the_record_only(output: Path, tmp_path: Path, format_: str) -> None:
    run(output, WORKED_EXAMPLE)
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "run.json").write_bytes((output / "run.json").read_bytes())
    assert rendered(tmp_path / "alone", format_) == rendered(output, format_)


def test_what_cannot_be_reported_is_an_error(output: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="run user-conversion run first"):
        RunRecord.load(tmp_path / "nothing")
    run(output, WORKED_EXAMPLE)
    record = RunRecord.load(output)
    with pytest.raises(SettingsError, match="html, csv, json, md"):
        outputs.render(record, "pdf")
    with pytest.raises(OutputError, match="Cannot write"):
        outputs.write(record, "html", tmp_path / "no such folder" / "report.html")
    (output / "run.json").write_text("[]")
    with pytest.raises(DatasetError, match=r"run\.json"):
        RunRecord.load(output)
