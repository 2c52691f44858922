"""The command `report`: the record of the last run, read and written in another form."""

from __future__ import annotations

from pathlib import Path

from user_conversion.answer.record import RunRecord
from user_conversion.outputs import render
from user_conversion.places.documents import decoded
from user_conversion.places.layout import RUN_RECORD
from user_conversion.places.place import Place, place_at, replace_file
from user_conversion.places.publication import output_errors
from user_conversion.rules.addresses import is_address
from user_conversion.rules.errors import DatasetError, OutputError
from user_conversion.rules.job_names import CONVERSION

# Where open files are that may be regular ones.
STREAMS = ("/dev/fd/", "/dev/std", "/proc/")


def last_record(output: Place) -> RunRecord:
    """The record of an output. Raises `DatasetError` without a readable one."""
    try:
        content = output.read(RUN_RECORD)
        if content is not None:
            return decoded(content, RunRecord)
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"'{output.of(RUN_RECORD)}' is not a readable record of a run ({error}): "
            f"run {CONVERSION} again."
        ) from None
    raise DatasetError(f"No run in '{output}' yet: run user-conversion run first.")


def open_page(page: str) -> None:
    """Open a page in the browser. Raises `OutputError` if there is none."""
    import webbrowser

    if not page or is_address(page) or not webbrowser.open(Path(page).resolve().as_uri()):
        raise OutputError(f"--open: no browser can show '{page}'; open it by hand.")


def write(
    record: RunRecord,
    format: str,  # noqa: A002
    target: str | Path = "",
    option: str = "--file",
) -> None:
    """Write the record in a format to a file or object, whole or not at all; to stdout without one.

    Raises `OutputError` if the file, which an `option` named, cannot be written; else as `render`.
    """
    text = render(record, format)
    path = Path(target)
    if not target:
        print(text, end="")
    elif is_address(target):
        folder, _, name = str(target).rpartition("/")
        place_at(folder).write(name, text.encode())
    else:
        with output_errors(path, option):
            if is_stream(path):
                with path.open("a", encoding="utf-8") as stream:
                    stream.write(text)
            else:
                replace_file(path, text.encode())


def is_stream(path: str | Path) -> bool:
    """Whether a path is a device, a pipe or an open stream, which must not be replaced."""
    path = Path(path)
    is_open = str(path.absolute()).startswith(STREAMS)
    return is_open or (path.exists() and not path.is_file())
