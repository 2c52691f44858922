"""The page: figures, sentences, tables and charts in one HTML file.

The template engine escapes every text. The page's Content-Security-Policy forbids all requests,
and all styles and scripts but its own two, which it names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from urllib.parse import quote

from markupsafe import Markup

from user_conversion.answer.figures import Segmentation
from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.outputs import folding, sentences, words
from user_conversion.outputs.folding import MOST_CHARTED
from user_conversion.outputs.page import captions, charts, tables
from user_conversion.outputs.page.charts import TEMPLATES
from user_conversion.outputs.page.tables import Table
from user_conversion.outputs.tables import as_csv


@dataclass(frozen=True)
class Section:
    """A chart with its title, its sentences and its figures as a table."""

    anchor: str
    title: str
    lead: str
    chart: str
    table: Table
    note: str = ""


def render(record: RunRecord) -> str:
    """The whole document."""
    style, script = _part("style.css"), _part("script.js")
    result = record.conversion
    return TEMPLATES.get_template("page.html").render(
        words=words,
        sentences=sentences,
        captions=captions,
        warnings=[*sentences.warnings(result), *captions.rejected(result)],
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        result=result,
        record=record,
        parameters=tables.parameters(record),
        grid=folding.fold_cohorts(result.cohorts),
        weekly=_weekly(result) if result.weeks else None,
        csv="data:text/csv;charset=utf-8," + quote(as_csv(record)),
        more=[
            *(_about_users(result) if result.weeks else ()),
            _days(result),
            *_forecasts(result),
        ],
        quality=[*tables.lines(result.events), tables.unused(result.quality)],
    )


def summary(result: ConversionResult) -> str:
    """The headline and the table of weeks, to be shown within another page."""
    table = tables.weeks(result.weeks)
    return TEMPLATES.get_template("summary.html").render(
        headline=sentences.headline(result), context=sentences.context(result), table=table
    )


def _weekly(result: ConversionResult) -> Section:
    weeks = result.weeks
    return Section(
        "weeks",
        "Week by week",
        captions.unfinished(result),
        charts.weekly(weeks[-MOST_CHARTED:]),
        tables.weeks(weeks),
        captions.charted(weeks, MOST_CHARTED),
    )


def _about_users(result: ConversionResult) -> Iterator[Section]:
    yield _segments(result, result.by_channel)
    if result.asked and result.asked.by != result.by_channel.by:
        yield _segments(result, result.asked)
    loads = result.first_loads
    yield Section(
        "first-load",
        "Time to the first load",
        captions.first_loads(loads),
        charts.first_loads(loads.days) if loads.days else "",
        tables.first_loads(loads),
        captions.later_loads(loads),
    )


def _forecasts(result: ConversionResult) -> Iterator[Section]:
    found = result.past_forecasts
    if found:
        table = tables.forecasts(found, result.first_weekday)
        yield Section("forecasts", "Forecast accuracy", captions.forecasts(found), "", table)


def _days(result: ConversionResult) -> Section:
    periods = folding.fold_days(result.daily, result.gaps)
    return Section(
        "days",
        "Registrations and loads",
        captions.days(result.gaps, periods[0].is_day) if periods else "No events found.",
        charts.daily(periods[-MOST_CHARTED:]) if periods else "",
        tables.daily(periods),
        "Days and weeks in this chart are in UTC.",
    )


def _segments(result: ConversionResult, compared: Segmentation) -> Section:
    rows = compared.segments
    return Section(
        compared.by,
        f"By {compared.by.replace('_', ' ')}",
        sentences.comparison(compared),
        charts.segments(rows, result.complete) if rows else "",
        tables.segments(compared, result.complete),
        "Complete weeks only. The dotted line is the rate of all users." if rows else "",
    )


def _part(name: str) -> str:
    return (resources.files("user_conversion.outputs.page") / "templates" / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
