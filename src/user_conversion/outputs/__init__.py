"""Outputs: every form in which an answer is shown. Each is made from the record of the run alone.

To add one, write a module with a function from `RunRecord` to text, and name it in `WRITERS`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.places.publication import output_errors
from user_conversion.rules.errors import SettingsError

if TYPE_CHECKING:
    from user_conversion.answer.record import RunRecord

PAGE = "report.html"
# The function that renders a format, as module:function; imported when it is used.
WRITERS = {
    "html": "user_conversion.outputs.page.page:render",
    "csv": "user_conversion.outputs.tables:as_csv",
    "json": "user_conversion.outputs.tables:as_json",
    "md": "user_conversion.outputs.markdown:as_markdown",
}


def render(record: RunRecord, format: str) -> str:  # noqa: A002
    """The record in a format of `WRITERS`.

    Raises `SettingsError` for another format, `DatasetError` if the record has no conversion.
    """
    if format not in WRITERS:
        raise SettingsError(f"Unknown format '{format}': choose one of {', '.join(WRITERS)}.")
    module, function = WRITERS[format].split(":")
    return str(getattr(importlib.import_module(module), function)(record))


def write(record: RunRecord, format: str, target: Path | None) -> None:  # noqa: A002
    """Write the record in a format to a file, whole or not at all; to stdout without a target.

    Raises `OutputError` if the file cannot be written, else as `render`.
    """
    text = render(record, format)
    if target is None:
        print(text, end="")
        return
    with output_errors(target):
        if _is_stream(target):
            with target.open("a", encoding="utf-8") as stream:
                stream.write(text)
            return
        # A link stays, and what it leads to is replaced.
        target = target.resolve()
        unfinished = target.with_name(f".{target.name}.begun")
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or an open stream, which must not be replaced."""
    in_dev = path.absolute().parts[1:2] in (("dev",), ("proc",))
    return in_dev or (path.exists() and not path.is_file())
