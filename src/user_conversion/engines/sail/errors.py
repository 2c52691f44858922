"""Turns the errors of Sail into one sentence each."""

from __future__ import annotations

from pathlib import Path

from user_conversion.engines.spark.errors import root_cause
from user_conversion.errors import EngineError, UserConversionError


def translated(error: Exception, scratch: Path) -> UserConversionError:
    """An error of Sail's as one of ours; `scratch` is the folder that Sail writes to."""
    return EngineError(f"Sail failed: {root_cause(error)}.")
