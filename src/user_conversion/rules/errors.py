"""Errors that a user can do something about; the command line prints them as one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum

from user_conversion.rules.printing import printable, without_secrets

INTERRUPTION = (
    "interrupted; the previous output is unchanged, unless this run had published already"
)


class Status(IntEnum):
    """The exit statuses of the command, each with its `meaning`."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Status:
        """The status of a number, with its meaning."""
        status = int.__new__(cls, value)
        status._value_, status.meaning = value, meaning
        return status

    DONE = 0, "done"
    FAILED = (
        1,
        "the run failed; the previous output is unchanged, unless only printing the result failed",
    )
    USAGE = 2, "an option cannot be used"
    FOUND = 3, "`check` found that the rate has changed or that the logs are late"
    INTERRUPTED = 130, f"{INTERRUPTION} (Ctrl-C or SIGTERM)"


# What to do about published files that are damaged or not those of this version.
REBUILD = "run events-split --full-refresh"


class UserConversionError(Exception):
    """The run failed; the message says why and what to do about it, on one line."""

    status = Status.FAILED

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(without_secrets(sentence)))


class InputError(UserConversionError):
    """The raw events cannot be read as they are."""


class TooManyRejectedError(InputError):
    """More lines were rejected than `--max-rejected` allows."""


class DatasetError(UserConversionError):
    """A Parquet dataset is missing or does not have the shape of the contract."""


class OutputError(UserConversionError):
    """The output folder cannot be written, or another run is writing it."""


class StoreError(UserConversionError):
    """An object store refuses a request, or does not answer."""


class EngineError(UserConversionError):
    """An engine is not installed, not reachable, or gave up."""


class SettingsError(UserConversionError):
    """An option has a value that cannot be used."""

    status = Status.USAGE


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest known names, or a full stop if none is near."""
    near = difflib.get_close_matches(name, list(known), 3, 0.5)
    return f"; did you mean {', '.join(near)}?" if near else "."
