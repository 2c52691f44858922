"""Turns the errors of Sail into one sentence each."""

from __future__ import annotations

import re
from pathlib import Path

from user_conversion.engines.spark.errors import is_server_gone, root_cause
from user_conversion.errors import DatasetError, EngineError, OutputError, UserConversionError

# What the server and the workers say when a worker does not answer.
WORKER_LOST = re.compile(
    "lost worker|connection (?:refused|reset|closed)|broken pipe|reading a body from connection",
    re.IGNORECASE,
)


class NotUtf8Error(EngineError):
    """A log has bytes that are not UTF-8, at which Sail's reader of text stops."""


def translated(error: Exception, scratch: Path) -> UserConversionError:
    """An error of Sail's as one of ours; `scratch` is the folder that Sail writes to."""
    cause, text = root_cause(error), str(error)
    if "invalid UTF-8" in text:
        return NotUtf8Error(f"Sail failed: {cause}.")
    if "No space left on device" in text:
        return OutputError(
            f"Cannot write '{scratch}' or Sail's own temporary files: no space left on device; "
            "free some space."
        )
    if "Failed to allocate" in text or "Resources exhausted" in text:
        return EngineError(f"Not enough memory ({cause}): raise --memory-limit, or leave it out.")
    if is_server_gone(text):
        return EngineError(
            f"Sail's server is gone or cannot be reached ({cause}): check that it is running."
        )
    if WORKER_LOST.search(text):
        return EngineError(f"Sail lost a worker ({cause}): run the command again.")
    if "Parquet error" in text:
        return DatasetError(
            f"The Parquet cannot be read ({cause}); run events-split --full-refresh."
        )
    return EngineError(f"Sail failed: {cause}.")
