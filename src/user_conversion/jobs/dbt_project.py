"""Writes the warehouse query as a dbt model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from user_conversion.metric.warehouse.dbt import PROJECT
from user_conversion.places.publication import output_errors
from user_conversion.rules.errors import SettingsError


def write_dbt(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files into a folder, and return those written. A project file that exists is kept.

    Raises `SettingsError` if another file exists, `OutputError` if the folder cannot be written.
    """
    targets = {folder / name: text for name, text in files.items()}
    if (folder / PROJECT).exists():
        del targets[folder / PROJECT]
    for target in targets:
        if target.exists():
            raise SettingsError(f"--dbt: '{target}' exists; remove it to write it again.")
    with output_errors(folder):
        for target, text in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
    return list(targets)
