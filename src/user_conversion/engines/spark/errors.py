"""Turns the errors of Spark into one sentence each."""

from __future__ import annotations

import re
from pathlib import Path

from user_conversion.rules.errors import DatasetError, EngineError, OutputError, UserConversionError

# In the stack trace if Spark was reading Parquet, not writing it.
READS_PARQUET = re.compile(r"Parquet(?:File|Record)Reader|Parquet column cannot be converted")


def translated(error: Exception, scratch: Path) -> UserConversionError:
    """An error of Spark's as one of ours; `scratch` is the folder that Spark writes to."""
    cause, text = root_cause(error), str(error)
    if "No space left on device" in text:
        return OutputError(
            f"Cannot write '{scratch}' or Spark's own temporary files: no space left on device; "
            "free some space."
        )
    if "OutOfMemoryError" in text or _is_java_gone(error):
        return EngineError(
            "Spark ran out of memory or was killed: give it more, e.g. --conf "
            "spark.driver.memory=4g, and on a cluster spark.executor.memory."
        )
    if is_server_gone(text):
        return EngineError(
            f"Spark Connect's server is gone or cannot be reached ({cause}): "
            "check that it is running."
        )
    if READS_PARQUET.search(text):
        return DatasetError(
            f"The Parquet cannot be read ({cause}); run events-split --full-refresh."
        )
    return EngineError(f"Spark failed: {cause}.")


def is_server_gone(text: str) -> bool:
    """Whether an error's text says that a server of Spark Connect does not answer."""
    return "StatusCode.UNAVAILABLE" in text


def _is_java_gone(error: Exception) -> bool:
    from py4j.protocol import Py4JError, Py4JJavaError

    if isinstance(error, Py4JJavaError):
        return False
    return isinstance(error, ConnectionError | Py4JError)


def root_cause(error: Exception) -> str:
    """The innermost message of an error from Java or gRPC, without its class."""
    causes = re.findall(r"Caused by: (.+)", str(error))
    causes = causes or re.findall(r'^\s*details = "(.+)"$', str(error), re.MULTILINE)
    message = causes[-1] if causes else first_line(error)
    return (
        re.sub(r"^(?:[\w$]+\.)+[\w$]+(?:Exception|Error): ", "", message).strip().rstrip(".")[:300]
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its name."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
