"""Errors that a user can do something about; the command line prints them as one sentence."""

from __future__ import annotations


class UserConversionError(Exception):
    """The run failed; the message says why and what to do about it (exit status 1)."""


class InputError(UserConversionError):
    """The raw events cannot be read as they are."""


class TooManyRejectedError(InputError):
    """More lines were rejected than `--max-rejected` allows."""


class DatasetError(UserConversionError):
    """A Parquet dataset is missing or does not have the shape of the contract."""


class OutputError(UserConversionError):
    """The output folder cannot be written, or another run is writing it."""


class EngineError(UserConversionError):
    """An engine is not installed, not reachable, or gave up."""


class SettingsError(UserConversionError):
    """An option has a value that cannot be used (exit status 2)."""
