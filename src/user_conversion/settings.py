"""What a run can be asked to do: every option, its default, its help, and its checks, once.

The command line makes its options from the fields of `Settings`; `user_conversion.run` takes them
as keyword arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from user_conversion.engines import ENGINES, EngineOptions, engine_description
from user_conversion.rules.datasets import check_attributes
from user_conversion.rules.definitions import DEFINITIONS, Definition, definition
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.rules.log_format import LogFormat, log_format
from user_conversion.rules.weeks import time_zone

MEMORY_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT])(i?)B", re.IGNORECASE)

Paths = str | Path | Sequence[str | Path]
Texts = str | Sequence[str]
# A mapping, or texts of the form NAME=VALUE.
Pairs = Mapping[str, Texts] | Sequence[str]


@dataclass(frozen=True)
class Option:
    """How a setting appears on the command line, and the jobs that it is for."""

    help: str
    metavar: str | None = None
    jobs: tuple[str, ...] = (SPLIT, CONVERSION)
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The options of a run. Raises `SettingsError` if a value cannot be used."""

    input: Annotated[
        Paths,
        Option(
            "Files, folders (read recursively) or globs of event logs. [default: data-input]",
            "PATH...",
            (SPLIT,),
        ),
    ] = "data-input"
    output: Annotated[
        str | Path,
        Option("Folder of the Parquet datasets.", "DIR"),
    ] = "data-output"
    log_format: Annotated[
        str | None,
        Option(
            "What the events and fields are called in the logs: a preset or a TOML file.",
            "NAME|FILE",
            (SPLIT,),
        ),
    ] = None
    registered: Annotated[
        Texts,
        Option("Name of the events that mean registered; may be repeated.", "NAME", (SPLIT,)),
    ] = ()
    app_loaded: Annotated[
        Texts,
        Option("Name of the events that mean app_loaded; may be repeated.", "NAME", (SPLIT,)),
    ] = ()
    field: Annotated[
        Pairs,
        Option(
            "Where a field is, e.g. initiator_id=user.id; any other name than event, timestamp, "
            "initiator_id, channel, device_type is a field of the registration for --by. May be "
            "repeated.",
            "NAME=PATH",
            (SPLIT,),
        ),
    ] = ()
    engine: Annotated[
        str,
        Option("Engine that runs the jobs.", choices=tuple(ENGINES)),
    ] = next(iter(ENGINES))
    master: Annotated[
        str | None,
        Option(
            "Spark master: local[*], spark://…, yarn, k8s://… or sc://… (Spark Connect). "
            "[default: spark-submit's or the session's, else this machine]",
            "URL",
        ),
    ] = None
    conf: Annotated[
        Pairs,
        Option("A property of Spark; may be repeated.", "KEY=VALUE"),
    ] = ()
    memory_limit: Annotated[
        str | None,
        Option(
            "Memory that DuckDB may use; the rest is spilled to disk beside the output. "
            "[default: a quarter of the machine's]",
            "SIZE",
        ),
    ] = None
    max_rejected: Annotated[
        float,
        Option(
            "Largest accepted share of rejected lines, of those that are not blank.",
            "SHARE",
            (SPLIT,),
        ),
    ] = 0.01
    full_refresh: Annotated[
        bool,
        Option("Read all inputs again and replace the published events.", jobs=(SPLIT,)),
    ] = False
    definition: Annotated[
        str,
        Option("Which users count as converted.", jobs=(CONVERSION,), choices=tuple(DEFINITIONS)),
    ] = next(iter(DEFINITIONS))
    timezone: Annotated[
        str,
        Option("Zone of the calendar weeks, e.g. Europe/Berlin.", "IANA-NAME", (CONVERSION,)),
    ] = "UTC"
    as_of: Annotated[
        date | None,
        Option("Use events up to this local day only.", "DATE", (CONVERSION,)),
    ] = None
    by: Annotated[
        str | None,
        Option(
            "Split by channel, device_type or another field of the registration.",
            "FIELD",
            (CONVERSION,),
        ),
    ] = None
    verbose: Annotated[
        bool,
        Option("Show the engine's own log on stderr."),
    ] = False

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
        return tuple(map(str, [self.input] if single else self.input))  # type: ignore[arg-type]

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.output)

    @property
    def counted_as(self) -> Definition:
        """The definition in force."""
        return definition(self.definition)

    @cached_property
    def engine_options(self) -> EngineOptions:
        """What the engine is asked to do."""
        properties = {name: str(values[-1]) for name, values in _pairs("--conf", self.conf).items()}
        return EngineOptions(self.master, properties, self.memory_limit, self.verbose)

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
        names = [name for name, (_, option) in options().items() if option.jobs == (job,)]
        recorded: dict[str, Any] = {name: getattr(self, name) for name in names}
        if job == SPLIT:
            recorded["input"] = list(self.inputs)
            for name in ("log_format", "registered", "app_loaded", "field"):
                del recorded[name]
            recorded["log_format"] = self.events.as_json()
        else:
            recorded["as_of"] = self.as_of and self.as_of.isoformat()
        return recorded


@cache
def options() -> dict[str, tuple[Any, Option]]:
    """The type and the option of each setting, by name."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: get_args(hint)[:2] for name, hint in hints.items()}


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
