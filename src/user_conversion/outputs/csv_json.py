"""The answer for spreadsheets (CSV) and programs (JSON)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.outputs import sentences

# The columns of a table of weeks, and their types.
WEEK_COLUMNS = {
    "registration_week": "string",
    "week_start": "date",
    "total_registered": "bigint",
    "total_converted": "bigint",
    "conversion_rate": "double",
    "interval_low": "double",
    "interval_high": "double",
    "complete": "boolean",
    "incomplete_because": "string",
    "small_sample": "boolean",
    "forecast_rate": "double",
    "forecast_low": "double",
    "forecast_high": "double",
}


def as_json(record: RunRecord) -> str:
    """The JSON object of `--format json`."""
    return json_text(record.conversion)


def json_text(document: Any) -> str:
    """A JSON document in ASCII, because texts from the logs could change a terminal."""
    return json.dumps(msgspec.to_builtins(document, str_keys=True), indent=2) + "\n"


def check_as_json(result: ConversionResult, late: bool) -> str:
    """The JSON object of `check --format json`."""
    told = [sentences.newest_week(result), *([sentences.late(result)] if late else ())]
    more = "definition", "timezone", "observed_through", "latest_day"
    document = {
        **msgspec.structs.asdict(result.change),
        "late": late,
        "sentence": " ".join(told),
        **{name: getattr(result, name) for name in more},
    }
    return json_text(document)


def as_csv(record: RunRecord) -> str:
    """One line per registration week under a header line of `WEEK_COLUMNS`.

    Weeks are written like `2020-W45`, so that no sheet takes them for months. `week_start` is the
    first day; rates and the ends of the 95 % intervals are percent; `complete` and `small_sample`
    are true or false. Columns of a forecast are empty without one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, WEEK_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in week_rows(record.conversion):
        row["registration_week"] = re.sub(r"^(\d+)-(\d+)$", r"\1-W\2", row["registration_week"])
        row |= {key: str(row[key]).lower() for key in ("complete", "small_sample")}
        writer.writerow(row)
    return text.getvalue()


def week_rows(result: ConversionResult) -> Iterator[dict[str, Any]]:
    """One row per registration week, in order, with `WEEK_COLUMNS`."""
    for week in result.weeks:
        row = msgspec.structs.asdict(week)
        row["interval_low"], row["interval_high"] = week.interval or (None, None)
        if expected := week.forecast:
            row["forecast_rate"] = expected.conversion_rate
            row["forecast_low"], row["forecast_high"] = expected.interval
        yield {name: row.get(name) for name in WEEK_COLUMNS}
