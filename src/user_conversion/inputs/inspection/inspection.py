"""The answer of `inspect`: what is in some files, and the command that reads them."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from user_conversion.inputs.files import find_files, is_standard_input
from user_conversion.inputs.inspection import guesses
from user_conversion.inputs.inspection.fields import Field, fields, time_span
from user_conversion.inputs.inspection.samples import NOT_A_LOG, Records, Sample, samples
from user_conversion.inputs.objects import Objects
from user_conversion.places.publication import output_errors
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import DEFAULT, LogFormat
from user_conversion.rules.paths import path_text

NAMES = 20
PROJECT = """\
# Written by `user-conversion inspect --init`. In this folder `user-conversion run` needs no options
# now. Each option of `user-conversion run --help` can be a key here.
input = [{paths}]
output = "data-output"
timezone = "UTC"  # of the calendar weeks, such as "Europe/Berlin"
# by = "channel"
# definition = "next-week"

{log_format}"""


@dataclass(frozen=True)
class Inspection:
    """What is in the first records of some files.

    `kinds` has the number of files looked at by kind and compression, `event_names` the most
    frequent names with their numbers, `log_format` the preset that fits (or `default`, or None).
    `tables` are those of a TOML file that reads the logs, with words in capitals for what is to be
    filled in. `notes` are sentences on what the command does not mend.
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
    notes: tuple[str, ...]

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

    def as_toml(self, within: str = "") -> str:
        """A log format as TOML, to be edited; of a project file it is the table `within`."""
        preset = f"preset = {_quoted(self._preset)}\n" if self._preset else ""
        parts = [f"[{within}]\n{preset}" if within else preset]
        for name, table in self.tables.items():
            lines = [f"{key} = {_quoted(value)}{self._note(value)}" for key, value in table.items()]
            if lines:
                parts.append(
                    "\n".join([f"[{within}.{name}]" if within else f"[{name}]", *lines, ""])
                )
        return "\n".join(filter(None, parts))

    def as_project_file(self) -> str:
        """The file `user-conversion.toml` with which `user-conversion run` needs no options."""
        paths = ", ".join(_quoted(path.replace("$", "$$")) for path in self.inputs)
        return PROJECT.format(paths=paths, log_format=self.as_toml("log_format"))

    def _note(self, value: str) -> str:
        if value in self.event_names:
            return f"  # {self.event_names[value]:,} of {self.records:,} records looked at"
        return "  # fill in" if value.startswith(guesses.UNKNOWN) else ""

    @property
    def _preset(self) -> str | None:
        return None if self.log_format == DEFAULT else self.log_format


def inspect(paths: Sequence[str]) -> Inspection:
    """What the first records of some files at the paths, folders or globs are.

    Raises `InputError` if a path does not exist, a file cannot be read, or none is a log.
    """
    if any(map(is_standard_input, paths)):
        raise InputError("inspect reads files: write what is piped in to one first.")
    with tempfile.TemporaryDirectory() as folder, output_errors(Path(folder), "TMPDIR"):
        return _inspected(paths, Objects(Path(folder)))


def _inspected(paths: Sequence[str], objects: Objects) -> Inspection:
    found = find_files(paths, objects=objects)
    formats = guesses.known_formats()
    looked_at = samples(found.files, formats.values(), objects)
    records = [record for sample in looked_at for record in sample.records]
    if looked_at and all(sample.kind.startswith(NOT_A_LOG) for sample in looked_at):
        raise InputError(f"'{found.files[0].name}' is {looked_at[0].kind}.")
    summary = fields(records)
    name = _log_format_name(looked_at, formats)
    given = guesses.given_fields(name, formats, records, summary)
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
        tuple(_notes(records, log_format, given)),
    )


def _log_format_name(looked_at: list[Sample], formats: Mapping[str, LogFormat]) -> str | None:
    headless = [sample.has_columns_of for sample in looked_at if sample.has_columns_of]
    if headless:
        return headless[0]
    return guesses.preset_of([r for sample in looked_at for r in sample.records], formats)


def _notes(
    records: Records, log_format: LogFormat, given_fields: Mapping[str, str]
) -> Iterator[str]:
    if given_fields.get("timestamp", "").startswith(guesses.UNKNOWN):
        yield "No field looks like a time: this may be no event log."
    if any("\N{REPLACEMENT CHARACTER}" in str(record) for record in records):
        yield (
            "Some texts are not UTF-8: a log format can say what they are, such as "
            'encoding = "latin-1" in [input].'
        )
    if any(isinstance(each, float) for each in guesses.values(records, log_format, guesses.USER)):
        yield "Some ids are numbers with a fraction, which is no id: write integers or texts."


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
