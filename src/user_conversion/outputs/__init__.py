"""Outputs: every form in which an answer is shown. Each is made from the record of the run alone.

To add one, write a module with a function from `RunRecord` to text, and name it in `WRITERS`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.errors import SettingsError
from user_conversion.publication import output_errors

if TYPE_CHECKING:
    from user_conversion.run_record import RunRecord

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
        if target.exists() and not target.is_file():
            # A device such as /dev/stdout must not be replaced by a file.
            target.write_text(text, encoding="utf-8")
            return
        begun = target.with_name(f".{target.name}.begun")
        try:
            begun.write_text(text, encoding="utf-8")
            begun.replace(target)
        finally:
            begun.unlink(missing_ok=True)
