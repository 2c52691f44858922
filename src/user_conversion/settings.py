"""What a run can be asked to do: every option, its default, its help, and its checks, once.

The command line makes its options from the fields of `Settings`; `user_conversion.run` takes them
as keyword arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from user_conversion.datasets import check_attributes
from user_conversion.definitions import DEFINITIONS, Definition, definition
from user_conversion.engines import ENGINES, engine_description
from user_conversion.errors import SettingsError
from user_conversion.log_format import LogFormat, log_format
from user_conversion.weeks import time_zone

SPLIT, CONVERSION = "events-split", "conversion-rate-week-after-registration"
BOTH = (SPLIT, CONVERSION)
MEMORY_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", re.IGNORECASE)

Paths = str | Path | Sequence[str | Path]
Texts = str | Sequence[str]
# A mapping, or texts of the form NAME=VALUE.
Pairs = Mapping[str, Texts] | Sequence[str]


def _option(default: Any, help: str, metavar: str, *jobs: str, **more: Any) -> Any:  # noqa: A002
    metadata = {"help": help, "metavar": metavar, "jobs": jobs or BOTH, **more}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Settings:
    """The options of a run. Raises `SettingsError` if a value cannot be used."""

    input: Paths = _option(
        "data-input", "Files, folders (read recursively) or globs of event logs.", "PATH...", SPLIT
    )
    output: str | Path = _option("data-output", "Folder of the Parquet datasets.", "DIR")
    log_format: str | None = _option(
        None, "What the events and fields of the logs are called: a preset or a TOML file.",
        "NAME|FILE", SPLIT,
    )
    registered: Texts = _option(
        (), "Name of the events that mean registered; may be repeated.", "NAME", SPLIT
    )
    app_loaded: Texts = _option(
        (), "Name of the events that mean app_loaded; may be repeated.", "NAME", SPLIT
    )
    field: Pairs = _option(
        (), "Where a field is, e.g. initiator_id=user.id; any other name is an attribute of the "
        "registration for --by. May be repeated.", "NAME=PATH", SPLIT,
    )
    engine: str = _option(
        next(iter(ENGINES)), "Engine that runs the jobs.", "", choices=tuple(ENGINES)
    )
    master: str | None = _option(
        None, "Spark master: local[*], spark://…, yarn, k8s://… or sc://… "
        "[default: spark-submit's or the session's, else local[*]]", "URL",
    )
    conf: Pairs = _option((), "A Spark property; may be repeated.", "KEY=VALUE")
    memory_limit: str | None = _option(
        None, "Memory that DuckDB may use; it spills the rest to disk beside the output. "
        "[default: a quarter of the machine's]", "SIZE",
    )
    max_rejected: float = _option(
        0.01, "Largest accepted share of rejected lines, of those that are not blank.", "SHARE",
        SPLIT,
    )
    full_refresh: bool = _option(
        False, "Read all inputs again and replace the published events.", "", SPLIT
    )
    definition: str = _option(
        next(iter(DEFINITIONS)), "Which users count as converted.", "", CONVERSION,
        choices=tuple(DEFINITIONS),
    )
    timezone: str = _option(
        "UTC", "Zone of the calendar weeks, e.g. Europe/Berlin.", "IANA-NAME", CONVERSION
    )
    as_of: date | None = _option(
        None, "Use events up to this local day only.", "DATE", CONVERSION
    )
    by: str | None = _option(
        None, "Split by channel, device_type or another field of the registration.", "FIELD",
        CONVERSION,
    )
    verbose: bool = _option(False, "Show the engine's own log on stderr.", "")

    def __post_init__(self) -> None:
        description = engine_description(self.engine)
        definition(self.definition)
        time_zone(self.timezone)
        check_paths(self.output, *self.inputs)
        check_attributes(self.events.attributes)
        self._check_engine_options(description.name)
        if not 0 <= self.max_rejected <= 1:
            raise SettingsError("--max-rejected is a share of lines between 0 and 1, e.g. 0.01.")
        if self.memory_limit and not MEMORY_SIZE.fullmatch(self.memory_limit):
            raise SettingsError(
                f"--memory-limit {self.memory_limit}: give a size such as 2GiB or 800MB."
            )
        if self.as_of and not 1970 <= self.as_of.year < 9999:
            raise SettingsError(f"--as-of {self.as_of}: give a day of the years 1970 to 9998.")

    def _check_engine_options(self, engine: str) -> None:
        for other in ENGINES.values():
            for name, advice in other.options.items():
                if name not in ENGINES[engine].options and getattr(self, name):
                    option = f"--{name.replace('_', '-')}"
                    raise SettingsError(f"{option} is not an option of {engine}: {advice}.")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs as texts."""
        single = isinstance(self.input, str | Path)
        return tuple(map(str, [self.input] if single else self.input))  # type: ignore[list-item, arg-type]

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output)

    @property
    def counted_as(self) -> Definition:
        """The definition in force."""
        return definition(self.definition)

    @cached_property
    def properties(self) -> dict[str, str]:
        """The engine's own properties, from `conf`."""
        return {name: str(values[-1]) for name, values in _pairs("--conf", self.conf).items()}

    @cached_property
    def events(self) -> LogFormat:
        """The log format in force. A field that is only named by `by` has its own name as path."""
        paths: dict[str, Texts] = dict(_pairs("--field", self.field))
        found = log_format(self.log_format, self.registered, self.app_loaded, paths)
        if self.by and self.by not in found.fields:
            found = log_format(
                self.log_format, self.registered, self.app_loaded, paths | {self.by: self.by}
            )
        return found

    def recorded(self, job: str) -> dict[str, Any]:
        """The options of a job, for `run.json`."""
        names = [each.name for each in fields(self) if each.metadata["jobs"] == (job,)]
        recorded: dict[str, Any] = {name: getattr(self, name) for name in names}
        if job == SPLIT:
            recorded["input"] = list(self.inputs)
            for name in ("log_format", "registered", "app_loaded", "field"):
                del recorded[name]
            recorded["log_format"] = self.events.as_json()
        else:
            recorded["as_of"] = self.as_of and self.as_of.isoformat()
        return recorded


def check_paths(*paths: Path | str) -> None:
    """Raise `SettingsError` for URLs, which are not supported as paths."""
    for path in paths:
        # `Path('s3://x')` becomes `s3:/x`.
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) and not Path(path).exists():
            raise SettingsError(
                f"'{path}' is a URL: input and output are folders of a file system, on a cluster "
                "one that all machines share. Mount the store, or copy the logs."
            )


def _pairs(option: str, given: Pairs) -> dict[str, tuple[str, ...]]:
    """The values by name; a name that occurs several times has several values."""
    if isinstance(given, Mapping):
        return {
            name: (value,) if isinstance(value, str) else tuple(value)
            for name, value in given.items()
        }
    pairs: dict[str, tuple[str, ...]] = {}
    for text in [given] if isinstance(given, str) else given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise SettingsError(f"{option} {text}: expected NAME=VALUE.")
        pairs[name] = (*pairs.get(name, ()), value)
    return pairs
