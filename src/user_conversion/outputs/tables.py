"""The answer as a sheet (CSV) and for programs (JSON)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from user_conversion.outputs.words import conversion
from user_conversion.run_record import RunRecord

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
    """The object that the conversion prints with `--format json`."""
    return json_text(conversion(record).as_json())


def json_text(document: Any) -> str:
    """A JSON document in ASCII: texts from the logs could change a terminal."""
    return json.dumps(document, indent=2) + "\n"


def as_csv(record: RunRecord) -> str:
    """One line per registration week under a header line of `CSV_COLUMNS`.

    `week_start` is the Monday; rates and the ends of the 95 % intervals are percent; `complete`
    and `small_sample` are true or false. Columns of a forecast are empty without one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for week in conversion(record).weeks:
        document = week.as_json()
        low, high = document["interval"] or (None, None)
        expected = document["forecast"] or {"conversion_rate": None, "interval": (None, None)}
        forecast = [expected["conversion_rate"], *expected["interval"]]
        flags = {key: str(document[key]).lower() for key in ("complete", "small_sample")}
        bounds = {"interval_low": low, "interval_high": high}
        writer.writerow(
            {**document, **flags, **bounds, **dict(zip(CSV_COLUMNS[-3:], forecast, strict=True))}
        )
    return text.getvalue()
