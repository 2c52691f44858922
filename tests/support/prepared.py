"""Input files as the engines get them."""

from __future__ import annotations

from pathlib import Path

from user_conversion.inputs.files import Found
from user_conversion.inputs.preparation import Prepared, prepare
from user_conversion.inputs.reading_plan import ReadingPlan
from user_conversion.rules.log_format import LogFormat


def prepare_found(
    found: Found, log_format: LogFormat, compressions: frozenset[str], scratch: Path
) -> Prepared:
    """All files of a first run as newline-delimited JSON."""
    return prepare(
        ReadingPlan(log_format).compare(found.files),
        log_format,
        compressions,
        scratch,
        found.named,
    )
