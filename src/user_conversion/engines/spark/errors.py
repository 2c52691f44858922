"""Turns the errors of Spark into one sentence each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from user_conversion.rules.errors import (
    REBUILD,
    DatasetError,
    EngineError,
    OutputError,
    UserConversionError,
)


@dataclass(frozen=True)
class _Known:
    """A kind of error: what is in its text, and the sentence about it."""

    pattern: str
    kind: type[UserConversionError]
    sentence: str


# The first whose pattern is found is what happened.
KNOWN = (
    _Known(
        "No space left on device",
        OutputError,
        "Cannot write '{scratch}' or Spark's own temporary files: no space left on device; free "
        "some space.",
    ),
    _Known(
        # Behind the first are Python's errors if Java is gone.
        r"OutOfMemoryError|^(Py4JError|Py4JNetworkError|Connection\w*Error|BrokenPipeError):",
        EngineError,
        "Spark ran out of memory or was killed: give it more, e.g. --conf spark.driver.memory=4g, "
        "and on a cluster spark.executor.memory.",
    ),
    _Known(
        "StatusCode.UNAVAILABLE",
        EngineError,
        "Spark Connect's server is gone or cannot be reached ({cause}): check that it is running.",
    ),
    _Known(
        r"No FileSystem for scheme|Class org\.apache\.hadoop\.fs\.\S+ not found",
        EngineError,
        "Spark has no library for the store ({cause}): add it, for S3 --conf "
        "spark.jars.packages=org.apache.hadoop:hadoop-aws:3.3.4 (Hadoop's own version).",
    ),
    _Known(
        r"AccessDeniedException|NoAuthWithAWSException",
        EngineError,
        "Spark is not permitted to read or write the store ({cause}): its driver and executors "
        "need the credentials.",
    ),
    _Known(
        # In the stack trace if Spark was reading Parquet, not writing it.
        "Parquet(File|Record)Reader|Parquet column cannot be converted",
        DatasetError,
        f"The Parquet cannot be read ({{cause}}); {REBUILD}.",
    ),
    _Known("", EngineError, "Spark failed: {cause}."),
)


def translated(error: Exception, scratch: Path) -> UserConversionError:
    """An error of Spark's as one of ours; `scratch` is the folder that Spark writes to."""
    text = f"{type(error).__name__}: {error}"
    known = next(each for each in KNOWN if re.search(each.pattern, text))
    return known.kind(known.sentence.format(cause=root_cause(error), scratch=scratch))


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
