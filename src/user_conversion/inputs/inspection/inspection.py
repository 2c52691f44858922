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
from user_conversion.inputs.inspection.samples import Records, Sample, samples
from user_conversion.rules.log_format import (
    APP_LOADED,
    DEFAULT,
    REGISTERED,
    REQUIRED_FIELDS,
    FieldPath,
    LogFormat,
    path_text,
)

NAMES = 20


@dataclass(frozen=True)
class Inspection:
    """What is in the first records of some files.

    `kinds` has the number of files looked at by kind and compression, `event_names` the most
    frequent names with their numbers, `log_format` the preset that fits (or `default`, or None),
    `guessed` paths of fields where no preset does, `registered` and `app_loaded` the likely names.
    """

    inputs: tuple[str, ...]
    files: int
    kinds: Mapping[str, int]
    records: int
    fields: list[Field]
    event_names: Mapping[str, int]
    time_span: tuple[datetime, datetime] | None
    log_format: str | None
    guessed: Mapping[str, str]
    registered: str | None
    app_loaded: str | None
    document_records: FieldPath | None
    embedded: FieldPath | None

    @property
    def command(self) -> str:
        """The command to run; words in capitals are to be filled in.

        Events in a text field need a file, which `as_toml` has.
        """
        words = ["user-conversion", "run"]
        for path in self.inputs:
            words += ["--input", path]
        if self.embedded:
            words += ["--log-format", "my-format.toml"]
            return shlex.join(words)
        if self.log_format not in (None, DEFAULT):
            words += ["--log-format", str(self.log_format)]
        for name, path in self._fields().items():
            words += ["--field", f"{name}={path}"]
        known = guesses.own_names(self.log_format)
        for option, kind, name in self._names():
            if name not in known.get(kind, ()):
                words += [option, name]
        return shlex.join(words)

    def as_toml(self) -> str:
        """A log format as TOML, to be named with `--log-format` and edited."""
        lines = []
        if self.log_format not in (None, DEFAULT):
            lines += [f"preset = {_quoted(str(self.log_format))}", ""]
        lines.append("[events]")
        lines += [f"{kind} = {_quoted(name)}" for _, kind, name in self._names()]
        if given := self._fields():
            lines += ["", "[fields]"]
            lines += [f"{name} = {_quoted(path)}" for name, path in given.items()]
        places = {"records": self.document_records, "embedded": self.embedded}
        if any(places.values()):
            lines += ["", "[input]"]
            lines += [f"{key} = {_quoted(path_text(at))}" for key, at in places.items() if at]
        return "\n".join(lines) + "\n"

    def _fields(self) -> dict[str, str]:
        """The paths that are not the default ones, with words in capitals for unknown ones."""
        if self.log_format:
            return dict(self.guessed)
        given = {
            name: self.guessed.get(name, f"PATH_OF_{name.upper()}") for name in REQUIRED_FIELDS
        }
        return {
            name: path for name, path in given.items() if name == "initiator_id" or path != name
        }

    def _names(self) -> list[tuple[str, str, str]]:
        """The option, the kind and the name of each of the two events."""
        return [
            ("--registered", REGISTERED, self.registered or "NAME_OF_REGISTRATIONS"),
            ("--app-loaded", APP_LOADED, self.app_loaded or "NAME_OF_APP_LOADS"),
        ]


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
    guessed = _guessed(name, records, summary)
    at = formats[name].fields if name else guesses.paths_of(guessed)
    names = guesses.event_names(records, at.get("event", ()))
    embedded = next((sample.embedded for sample in looked_at if sample.embedded), None)
    list_at = next((sample.list_at for sample in looked_at if sample.list_at), None)
    return Inspection(
        tuple(paths),
        len(found.files),
        Counter(sample.kind for sample in looked_at),
        len(records),
        summary,
        dict(names.most_common(NAMES)),
        time_span(guesses.first_at(record, at.get("timestamp", ())) for record in records),
        name,
        guessed,
        *guesses.likely_names(names),
        list_at,
        embedded,
    )


def _log_format_name(looked_at: list[Sample], formats: Mapping[str, LogFormat]) -> str | None:
    headless = next((s.has_columns_of for s in looked_at if s.has_columns_of), None)
    if headless:
        return headless
    candidates = {name: each for name, each in formats.items() if not each.columns}
    return guesses.preset_of([r for sample in looked_at for r in sample.records], candidates)


def _guessed(log_format: str | None, records: Records, summary: list[Field]) -> dict[str, str]:
    """The paths that have to be given beside the log format."""
    if log_format is None:
        return guesses.guessed_fields(summary)
    users = (record.get("initiator_id") for record in records)
    if log_format == DEFAULT and any(user and not str(user).isdecimal() for user in users):
        return {"initiator_id": "initiator_id"}  # which makes the ids text
    return {}


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
