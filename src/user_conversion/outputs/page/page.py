"""The page: figures, sentences, tables and charts in one HTML file.

The template engine escapes every text. The page's Content-Security-Policy forbids all requests,
and all styles and scripts but its own two, which it names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from urllib.parse import quote

from markupsafe import Markup

from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.answer.statistics import percent
from user_conversion.outputs import sentences
from user_conversion.outputs.csv_json import as_csv
from user_conversion.outputs.folding import MOST_CHARTED, fold_cohorts, fold_days
from user_conversion.outputs.page import charts, tables
from user_conversion.outputs.page.charts import TEMPLATES


def render(record: RunRecord) -> str:
    """The whole document."""
    style, script = _part("style.css"), _part("script.js")
    result = record.conversion
    return TEMPLATES.get_template("page.html").render(
        sentences=sentences,
        charts=charts,
        tables=tables,
        percent=percent,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
        result=result,
        record=record,
        grid=fold_cohorts(result.cohorts),
        periods=fold_days(result.daily, result.gaps),
        most_charted=MOST_CHARTED,
        csv="data:text/csv;charset=utf-8," + quote(as_csv(record)),
    )


def summary(result: ConversionResult) -> str:
    """The headline and the table of weeks, to be shown within another page."""
    table = tables.weeks(result.weeks)
    return TEMPLATES.get_template("summary.html").render(
        headline=sentences.headline(result), context=sentences.context(result), table=table
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
