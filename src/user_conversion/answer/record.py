"""The record of a run, `run.json` in the output folder: how it went and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from user_conversion.answer.results import ConversionResult
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.job_names import CONVERSION

VERSION = 1


@dataclass(frozen=True)
class RunRecord:
    """The last run, with the last run of each job. `result` is the last conversion, if any."""

    document: Mapping[str, Any]
    result: ConversionResult | None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> RunRecord:
        """The record of a document as it is stored."""
        result = document["jobs"].get(CONVERSION, {}).get("result")
        return cls(document, ConversionResult.from_json(result) if result else None)

    @property
    def conversion(self) -> ConversionResult:
        """The last conversion. Raises `DatasetError` if there is none."""
        if self.result is None:
            raise DatasetError(f"No conversion has been computed here yet: run {CONVERSION} first.")
        return self.result

    @property
    def parameters(self) -> dict[str, Any]:
        """The options of the last run of each job, by name."""
        jobs = self.document["jobs"].values()
        return {name: value for job in jobs for name, value in job["parameters"].items()}
