"""The command `report`: the record of the last run, read and written in another form."""

from __future__ import annotations

from pathlib import Path

from user_conversion.answer.record import RunRecord
from user_conversion.outputs import render
from user_conversion.places.documents import read_document
from user_conversion.places.layout import RUN_RECORD
from user_conversion.places.publication import output_errors
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.job_names import CONVERSION


def last_record(output: Path) -> RunRecord:
    """The record of an output folder. Raises `DatasetError` without a readable one."""
    path = output / RUN_RECORD
    try:
        return read_document(path, RunRecord)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(f"No run in '{output}' yet: run user-conversion run first.") from None
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"'{path}' is not a readable record of a run ({error}): run {CONVERSION} again."
        ) from None


def write(record: RunRecord, format: str, target: Path | None) -> None:  # noqa: A002
    """Write the record in a format to a file, whole or not at all; to stdout without a target.

    Raises `OutputError` if the file cannot be written, else as `render`.
    """
    text = render(record, format)
    if target is None:
        print(text, end="")
        return
    with output_errors(target, "--file"):
        if _is_stream(target):
            with target.open("a", encoding="utf-8") as stream:
                stream.write(text)
            return
        # A link stays, and what it leads to is replaced.
        target = target.resolve()
        unfinished = target.with_name(f".{target.name}.begun")
        try:
            unfinished.unlink(missing_ok=True)
            with unfinished.open("x", encoding="utf-8") as file:
                file.write(text)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or an open stream, which must not be replaced."""
    in_dev = path.absolute().parts[1:2] in (("dev",), ("proc",))
    return in_dev or (path.exists() and not path.is_file())
