"""Outputs: every form in which an answer is shown. Each is made from the record of the run alone.

To add one, write a module with a function from `RunRecord` to text, and name it in `WRITERS`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from user_conversion.rules.errors import SettingsError

if TYPE_CHECKING:
    from user_conversion.answer.record import RunRecord

# The function that renders a format, as module:function; imported when it is used.
WRITERS = {
    "html": "user_conversion.outputs.page.page:render",
    "csv": "user_conversion.outputs.csv_json:as_csv",
    "json": "user_conversion.outputs.csv_json:as_json",
    "md": "user_conversion.outputs.markdown:as_markdown",
    "openlineage": "user_conversion.outputs.openlineage:as_openlineage",
    "prometheus": "user_conversion.outputs.prometheus:as_prometheus",
}


def render(record: RunRecord, format: str) -> str:  # noqa: A002
    """The record in a format of `WRITERS`.

    Raises `SettingsError` for another format, `DatasetError` if the record has no conversion.
    """
    if format not in WRITERS:
        raise SettingsError(f"Unknown format '{format}': choose one of {', '.join(WRITERS)}.")
    module, function = WRITERS[format].split(":")
    return str(getattr(importlib.import_module(module), function)(record))
