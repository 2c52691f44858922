"""The page: its figures, its safety and its accessibility."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.command import command
from support.logs import WORKED_EXAMPLE, app_loaded, registered
from support.outputs import Page, page_on, rendered, run
from support.repository import SAMPLE

from user_conversion.outputs.page import charts

STYLE = Path(charts.__file__).parent / "templates" / "style.css"

HTML_NAMES = (
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

# Pairs of text and background, by the names of the style sheet.
CONTRASTS = [
    *[(ink, ground) for ink in ("ink", "muted") for ground in ("page", "surface")],
    *[("accent", "surface"), ("accent", "page"), ("ink", "warn"), ("surface", "ink")],
    *[("heat-ink", f"heat-{level}") for level in range(1, 6)],
    *[("heat-ink-strong", f"heat-{level}") for level in range(6, 9)],
]


def test_page_of_the_worked_example_has_its_figures(output: Path) -> None:
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


def test_page_counts_every_line_and_every_unused_event(output: Path) -> None:
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
def test_page_and_json_have_the_same_figures(tmp_path: Path, by: str | None) -> None:
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
    differ = "Conversion differs between segments (chi-squared test, p < 0.001). "
    assert differ + "Small samples are left out." in page.texts
    assert ("Conversion by device_type over complete weeks" in page.tables) == (by == "device_type")


def as_cells(figures: dict[str, Any]) -> list[str]:
    low, high = figures["interval"]
    return [
        f"{figures['total_registered']:,}",
        f"{figures['total_converted']:,}",
        f"{figures['conversion_rate']:.2f}\xa0%",
        f"{low:.2f}–{high:.2f}",
    ]


def test_page_of_a_record_is_always_the_same(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    assert rendered(output) == rendered(output)


def test_the_newest_week_is_first_and_forecasts_are_last(output: Path) -> None:
    lines = [registered(f"2020-{month:02}-08T12:00:00Z", month) for month in range(1, 9)]
    lines += [app_loaded(f"2020-{month:02}-16T12:00:00Z", month) for month in range(1, 9)]
    run(output, lines, "--title", "The <shop>")
    page = page_on(output)
    for caption in ("Conversion by registration week", *page.tables):
        if "registration week" in caption:
            rows = [row for row in page.table(caption) if row.startswith("2020-")]
            assert rows == sorted(rows, reverse=True), caption
    assert "The <shop>" in page.texts
    assert any("Computed" in text for text in page.texts)


def test_page_without_registrations_has_no_weeks(output: Path) -> None:
    run(output, [app_loaded("2020-11-03T06:24:42Z", 1)])
    page = page_on(output)
    assert "No registrations found" in page.texts
    assert "Conversion by registration week" not in page.tables
    assert "1 Jan" not in "".join(page.texts)


def test_page_without_complete_weeks_has_no_rate_or_segments(output: Path) -> None:
    run(output, WORKED_EXAMPLE, "--as-of", "2020-11-05")
    page = page_on(output)
    assert any("no week is complete yet" in text.lower() for text in page.texts)
    assert list(page.table("Conversion by registration week")) == ["2020-45unfinishedsmall sample"]
    assert "Conversion by channel over complete weeks" not in page.tables
    assert any("Segments are compared over complete weeks" in text for text in page.texts)


def test_week_without_registrations_keeps_its_place_in_the_chart(output: Path) -> None:
    later = [registered("2020-11-17T00:00:00Z", 4), app_loaded("2020-12-01T00:00:00Z", 4)]
    run(output, WORKED_EXAMPLE + later)
    tips = page_on(output).attributes("data-tip")
    assert "2020-46, from 9 Nov 2020 · no registrations" in tips


@pytest.fixture
def page_with_html(output: Path) -> Page:
    lines = [
        registered(f"2020-11-0{2 + minute % 7}T06:{minute:02}:00Z", minute, name)
        for minute, name in enumerate([*HTML_NAMES, "", None])
    ]
    loads = [app_loaded("2020-11-18T11:08:42Z", 1), app_loaded("2020-11-10T00:00:00Z", 2)]
    # Somebody else loads the app every day, so that no day is missing.
    loads += [app_loaded(f"2020-11-{day:02}T00:00:00Z", 99) for day in range(2, 19)]
    run(output, lines + loads)
    return page_on(output)


def test_html_in_names_is_shown_as_text(page_with_html: Page) -> None:
    names = [text for text in page_with_html.texts if text in HTML_NAMES]
    # Each in the table, and but for the long one also in the chart. One that begins with a
    # quotation mark is shown in quotation marks.
    assert {*names} == {*HTML_NAMES} - {HTML_NAMES[2]}
    assert f'"{HTML_NAMES[2]}"' in page_with_html.texts
    for name in {*names}:
        assert names.count(name) >= 1 + (len(name) < 44)
    assert any(tip.startswith(HTML_NAMES[0]) for tip in page_with_html.attributes("data-tip"))
    assert '""' in page_with_html.texts
    assert "(no channel)" in page_with_html.texts
    elements = [tag for tag, _ in page_with_html.elements]
    assert elements.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "form", "base"} & {*elements}
    attributes = {name for _, found in page_with_html.elements for name in found}
    assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_page_makes_no_network_requests(page_with_html: Page) -> None:
    (csv,) = {*page_with_html.attributes("href")} - {"#main", "data:,"}
    assert csv.startswith("data:text/csv;charset=utf-8,registration_week%2C")
    for name in ("src", "srcset", "xlink:href", "action", "data", "poster", "background"):
        assert page_with_html.attributes(name) == []
    style = STYLE.read_text()
    assert "@import" not in style
    # The pattern is part of the page itself.
    assert {*re.findall(r"url\((.*?)\)", style)} == {"#hatch"}
    assert "hatch" in page_with_html.attributes("id")


def test_policy_allows_only_the_style_and_script_of_the_page(output: Path) -> None:
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", {"light": light, "dark": dark}[scheme]))
    for ink, ground in CONTRASTS:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    # Marks need less contrast than text.
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


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], "default"),
        (["--log-format", "kissmetrics"], "kissmetrics"),
        (["--registered", "sign_up"], "default, registered is sign_up"),
        (["--app-loaded", "open", "--app-loaded", "start"], "default, app_loaded is open or start"),
    ],
)
def test_page_names_the_log_format(output: Path, options: list[str], shown: str) -> None:
    run(output, [""], *options)
    assert page_on(output).table("Versions and parameters")["Log format"] == [shown]


def test_reason_of_another_version_is_shown_by_its_name(output: Path) -> None:
    run(output, [*WORKED_EXAMPLE, "not json"], "--max-rejected", 1)
    path = output / "run.json"
    path.write_text(path.read_text("utf-8").replace("invalid_json", "too_long"), "utf-8")
    assert page_on(output).table("Rejected lines by reason") == {"too_long": ["1", "100.00\xa0%"]}
