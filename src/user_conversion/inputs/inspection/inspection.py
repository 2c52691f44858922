"""The answer of `inspect`: what is in some files, and the command that reads them."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from user_conversion.inputs.files import find_files
from user_conversion.inputs.inspection import guesses
from user_conversion.inputs.inspection.fields import Field, fields, time_span
from user_conversion.inputs.inspection.samples import Sample, samples
from user_conversion.rules.log_format import DEFAULT, LogFormat
from user_conversion.rules.paths import path_text

NAMES = 20


@dataclass(frozen=True)
class Inspection:
    """What is in the first records of some files.

    `kinds` has the number of files looked at by kind and compression, `event_names` the most
    frequent names with their numbers, `log_format` the preset that fits (or `default`, or None).
    `tables` are those of a TOML file that reads the logs, with words in capitals for what is to be
    filled in.
    """

    inputs: tuple[str, ...]
    files: int
    kinds: Mapping[str, int]
    records: int
    fields: list[Field]
    event_names: Mapping[str, int]
    time_span: tuple[datetime, datetime] | None
    log_format: str | None
    tables: Mapping[str, Mapping[str, str]]

    @property
    def command(self) -> str:
        """The command to run. Events in a text field need the file that `as_toml` has."""
        words = ["user-conversion", "run"]
        for path in self.inputs:
            words += ["--input", path]
        if "embedded" in self.tables["input"]:
            return shlex.join([*words, "--log-format", "my-format.toml"])
        if self._preset:
            words += ["--log-format", self._preset]
        for name, path in self.tables["fields"].items():
            words += ["--field", f"{name}={path}"]
        return shlex.join(words + guesses.event_options(self.tables["events"], self.log_format))

    def as_toml(self) -> str:
        """A log format as TOML, to be named with `--log-format` and edited."""
        parts = [f"preset = {_quoted(self._preset)}\n"] if self._preset else []
        for name, table in self.tables.items():
            if table:
                lines = [f"{key} = {_quoted(value)}\n" for key, value in table.items()]
                parts.append("".join([f"[{name}]\n", *lines]))
        return "\n".join(parts)

    @property
    def _preset(self) -> str | None:
        return None if self.log_format == DEFAULT else self.log_format


def inspect(paths: Sequence[str]) -> Inspection:
    """What the first records of the first files at the paths, folders or globs are.

    Raises `InputError` if a path does not exist or a file cannot be read.
    """
    found = find_files(paths)
    formats = guesses.known_formats()
    headless = [each for each in formats.values() if each.columns]
    looked_at = samples((file.path for file in found.files), headless)
    records = [record for sample in looked_at for record in sample.records]
    summary = fields(records)
    name = _log_format_name(looked_at, formats)
    given = guesses.given_fields(name, records, summary)
    log_format = formats[name] if name else guesses.with_fields(given)
    names = guesses.event_names(records, log_format)
    return Inspection(
        tuple(paths),
        len(found.files),
        Counter(sample.kind for sample in looked_at),
        len(records),
        summary,
        dict(names.most_common(NAMES)),
        time_span(guesses.values(records, log_format, "timestamp")),
        name,
        {"events": guesses.likely_names(names), "fields": given, "input": _places(looked_at)},
    )


def _log_format_name(looked_at: list[Sample], formats: Mapping[str, LogFormat]) -> str | None:
    headless = [sample.has_columns_of for sample in looked_at if sample.has_columns_of]
    if headless:
        return headless[0]
    return guesses.preset_of([r for sample in looked_at for r in sample.records], formats)


def _places(looked_at: list[Sample]) -> dict[str, str]:
    """Where the events are in the records of the files."""
    places: dict[str, str] = {}
    for sample in looked_at:
        if sample.list_at:
            places.setdefault("records", path_text(sample.list_at))
        if sample.embedded:
            places.setdefault("embedded", path_text(sample.embedded))
    return places


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
