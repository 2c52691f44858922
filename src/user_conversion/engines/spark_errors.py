"""What went wrong in Spark, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from user_conversion.errors import EngineError, InputError, OutputError, UserConversionError


@contextmanager
def spark_errors(inputs: Mapping[str, Path] | None = None) -> Iterator[None]:
    """Turn Spark's errors into ours. `inputs` are files being read, by the name Spark has."""
    try:
        yield
    except ConnectionError as error:
        raise _translated(error, {}) from None
    except (UserConversionError, OSError):
        raise
    except Exception as error:
        raise _translated(error, inputs or {}) from None


def _translated(error: Exception, inputs: Mapping[str, Path]) -> UserConversionError:
    cause, text = root_cause(error), str(error)
    if "No space left on device" in text:
        return OutputError("The disk is full; free some space.")
    if "OutOfMemoryError" in text or _is_java_gone(error):
        return EngineError(
            "Spark ran out of memory or was killed: give it more, e.g. --conf "
            "spark.driver.memory=4g, and on a cluster spark.executor.memory."
        )
    for name, path in inputs.items():
        if name in text:
            return InputError(
                f"'{path}' is damaged or cut short ({cause}); replace it or leave it out."
            )
    return EngineError(f"Spark gave up: {cause}.")


def _is_java_gone(error: Exception) -> bool:
    from py4j.protocol import Py4JError, Py4JJavaError

    if isinstance(error, Py4JJavaError):
        return False
    return isinstance(error, ConnectionError | Py4JError)


def root_cause(error: Exception) -> str:
    """The innermost message of an error that came from Java, without its class."""
    causes = re.findall(r"Caused by: (.+)", str(error))
    message = causes[-1] if causes else first_line(error)
    return (
        re.sub(r"^(?:[\w$]+\.)+[\w$]+(?:Exception|Error): ", "", message).strip().rstrip(".")[:300]
    )


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its name."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
