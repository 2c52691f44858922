"""The answer for spreadsheets (CSV) and programs (JSON)."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import msgspec

from user_conversion.answer.record import RunRecord

CSV_COLUMNS = (
    "registration_week",
    "week_start",
    "total_registered",
    "total_converted",
    "conversion_rate",
    "interval_low",
    "interval_high",
    "complete",
    "incomplete_because",
    "small_sample",
    "forecast_rate",
    "forecast_low",
    "forecast_high",
)


def as_json(record: RunRecord) -> str:
    """The JSON object of `--format json`."""
    return json_text(record.conversion)


def json_text(document: Any) -> str:
    """A JSON document in ASCII, because texts from the logs could change a terminal."""
    return json.dumps(msgspec.to_builtins(document, str_keys=True), indent=2) + "\n"


def as_csv(record: RunRecord) -> str:
    """One line per registration week under a header line of `CSV_COLUMNS`.

    Weeks are written like `2020-W45`, so that no sheet takes them for months. `week_start` is the
    first day; rates and the ends of the 95 % intervals are percent; `complete` and `small_sample`
    are true or false. Columns of a forecast are empty without one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for week in record.conversion.weeks:
        row = msgspec.structs.asdict(week)
        row["registration_week"] = re.sub(r"^(\d+)-(\d+)$", r"\1-W\2", week.registration_week)
        row |= {key: str(row[key]).lower() for key in ("complete", "small_sample")}
        row["interval_low"], row["interval_high"] = week.interval or (None, None)
        if expected := week.forecast:
            row["forecast_rate"] = expected.conversion_rate
            row["forecast_low"], row["forecast_high"] = expected.interval
        writer.writerow(row)
    return text.getvalue()
