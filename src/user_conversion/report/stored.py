"""The last conversion as it was recorded in `run.json`, back in the classes that computed it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from user_conversion.engines import EventCounts
from user_conversion.errors import DatasetError
from user_conversion.results import (
    Cohort,
    ConversionResult,
    Figures,
    Gaps,
    Quality,
    Segment,
    WeekResult,
)
from user_conversion.runs import CONVERSION, NAME


@dataclass(frozen=True)
class StoredRun:
    """`run.json`: the whole record, and the last conversion's result as JSON and as objects."""

    record: dict[str, Any]
    document: dict[str, Any]
    result: ConversionResult

    @property
    def parameters(self) -> dict[str, Any]:
        """The options of the last conversion."""
        return dict(self.record["jobs"][CONVERSION].get("parameters", {}))

    @property
    def daily(self) -> dict[date, dict[str, int]]:
        """Events by UTC day and name, as far as the conversion read them."""
        days = self.record["jobs"][CONVERSION].get("daily", {})
        return {date.fromisoformat(day): counts for day, counts in days.items()}

    @classmethod
    def load(cls, output: Path) -> StoredRun:
        """Read the record of an output folder; `DatasetError` if it holds no conversion."""
        path = output / NAME
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            document = record["jobs"][CONVERSION]["result"]
            return cls(record, document, result_from_json(document))
        except (FileNotFoundError, NotADirectoryError, KeyError):
            raise DatasetError(
                f"No conversion in '{output}' yet: run user-conversion run first."
            ) from None
        except (OSError, ValueError, TypeError, AttributeError):
            raise DatasetError(
                f"'{path}' cannot be read as a run's record: run {CONVERSION} again."
            ) from None


def result_from_json(document: dict[str, Any]) -> ConversionResult:
    """The inverse of `ConversionResult.as_json`; only the daily counts are not in it."""
    segments = tuple(
        Segment(each["by"], None if each["value"] == "(none)" else each["value"], _figures(each))
        for each in document["segments"]
    )
    observed = document["observed_through"]
    return ConversionResult(
        definition=document["definition"],
        timezone=document["timezone"],
        observed_through=date.fromisoformat(observed) if observed else None,
        weeks=tuple(
            WeekResult(each["registration_week"], _figures(each), each["complete"])
            for each in document["weeks"]
        ),
        cohorts=tuple(
            Cohort(
                each["registration_week"],
                each["total_registered"],
                tuple(each["offsets"]),
                each["never"],
            )
            for each in document["cohorts"]
        ),
        gaps=Gaps(
            *(
                tuple(map(date.fromisoformat, document["gaps"][kind]))
                for kind in ("no_events", "no_registered", "no_app_loaded")
            )
        ),
        quality=Quality(**document["quality"]),
        events=_counts(document["events"]) if document["events"] else None,
        by=segments[0].by if segments else None,
        segments=segments,
        segment_test=document["segment_test"],
    )


def _figures(document: dict[str, Any]) -> Figures:
    return Figures(document["total_registered"], document["total_converted"])


def _counts(document: dict[str, Any]) -> EventCounts:
    kinds = ("lines", "registered", "app_loaded", "other", "blank", "rejected_by_reason")
    return EventCounts(**{kind: document[kind] for kind in kinds})
