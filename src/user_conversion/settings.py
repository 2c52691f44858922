"""What a run can be asked to do: every option with its type, default, help and checks, once.

The command line makes its options from the fields of `Settings`; `user_conversion.run` takes them
as keyword arguments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, get_type_hints

from cyclopts import Parameter

from user_conversion.engines import ENGINES, EngineOptions, engine_description
from user_conversion.options import (
    ENGINE_ONLY,
    LOGS,
    METRIC,
    REPEATABLE,
    LogFormatSource,
    Output,
    Pairs,
    Places,
    Texts,
    Title,
    is_of_type,
    option,
    pairs,
    place,
)
from user_conversion.rules.addresses import is_address
from user_conversion.rules.datasets import check_attributes
from user_conversion.rules.definitions import DEFINITIONS, Definition, definition
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.presets import log_format
from user_conversion.rules.weeks import MONDAY, WEEKDAYS, require_weekday
from user_conversion.rules.zones import time_zone

MEMORY_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT])(i?)B", re.IGNORECASE)


@Parameter(name="*")
@dataclass(frozen=True)
class Settings:
    """The options of a run. Raises `SettingsError` if a value cannot be used."""

    input: Annotated[
        Places,
        option(
            "Logs: files, folders, globs, or addresses (s3://, gs://, az://, abfss://). In the "
            "variable, ':' separates them.",
            "PATH...",
            LOGS,
        ),
    ] = "data-input"
    output: Output = "data-output"
    exclude: Annotated[
        Texts,
        option(
            "Leave out files and folders whose name, or path below the input, matches; repeatable.",
            "GLOB",
            LOGS,
        ),
    ] = ()
    log_format: Annotated[
        LogFormatSource,
        option("What events and fields are called: a preset or a TOML file.", "NAME|FILE", LOGS),
    ] = None
    registered: Annotated[
        Texts, option(f"What registered events are called. {REPEATABLE}", "NAME", LOGS)
    ] = ()
    app_loaded: Annotated[
        Texts, option(f"What app_loaded events are called. {REPEATABLE}", "NAME", LOGS)
    ] = ()
    field: Annotated[
        Pairs,
        option(
            "Where a field is, e.g. initiator_id=user.id. Any name but event, timestamp, "
            "initiator_id, channel and device_type is a field of the registration for --by. "
            + REPEATABLE,
            "NAME=PATH",
            LOGS,
        ),
    ] = ()
    engine: Annotated[str, option("Engine that runs the jobs.", choices=tuple(ENGINES))] = next(
        iter(ENGINES)
    )
    master: Annotated[
        str | None,
        option(
            "Spark master: local[*], spark://…, yarn, k8s://… or sc://… (Spark Connect). "
            "[default: spark-submit's or the session's, else this machine]",
            "URL",
            ENGINE_ONLY["spark"],
        ),
    ] = None
    conf: Annotated[
        Pairs, option(f"A property of Spark. {REPEATABLE}", "KEY=VALUE", ENGINE_ONLY["spark"])
    ] = ()
    memory_limit: Annotated[
        str | None,
        option(
            "Memory that DuckDB may use; the rest is spilled to disk beside the output. "
            "[default: a quarter of the machine's]",
            "SIZE",
            ENGINE_ONLY["duckdb"],
        ),
    ] = None
    max_rejected: Annotated[
        float, option("Largest share of rejected lines among those not blank.", "SHARE", LOGS)
    ] = 0.01
    full_refresh: Annotated[
        bool, option("Read all inputs again and replace the published events.", group=LOGS)
    ] = False
    definition: Annotated[
        str, option("Which users count as converted.", group=METRIC, choices=tuple(DEFINITIONS))
    ] = next(iter(DEFINITIONS))
    timezone: Annotated[
        str, option("Zone of the calendar weeks, e.g. Europe/Berlin.", "IANA-NAME", METRIC)
    ] = "UTC"
    week_start: Annotated[
        str, option("First day of the calendar weeks.", group=METRIC, choices=WEEKDAYS)
    ] = MONDAY
    as_of: Annotated[
        date | None, option("Use events up to this local day only.", "DATE", METRIC)
    ] = None
    by: Annotated[
        str | None,
        option("Split by channel, device_type or another registered field.", "FIELD", METRIC),
    ] = None
    title: Title = None
    verbose: Annotated[bool, option("Show the engine's own log on stderr.")] = False
    quiet: Annotated[bool, option("Print only errors on stderr.")] = False

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Settings).items():
            if not is_of_type(value := getattr(self, name), hint):
                raise SettingsError(f"{name}={value!r} has the wrong type.")
        description = engine_description(self.engine)
        definition(self.definition)
        time_zone(self.timezone)
        require_weekday(self.week_start)
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
        given = [self.input] if isinstance(self.input, str | Path) else self.input
        return tuple(map(place, given))

    @property
    def excluded(self) -> tuple[str, ...]:
        """What is left out."""
        return (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)

    @property
    def place(self) -> str:
        """Where the output is."""
        return place(self.output)

    @property
    def counted_as(self) -> Definition:
        """The definition in force."""
        return definition(self.definition)

    @cached_property
    def engine_options(self) -> EngineOptions:
        """What the engine is asked to do."""
        properties = {name: values[-1] for name, values in pairs("--conf", self.conf).items()}
        return EngineOptions(self.master, properties, self.memory_limit, self.verbose)

    @cached_property
    def events(self) -> LogFormat:
        """The log format in force."""
        paths: dict[str, Texts] = dict(pairs("--field", self.field))
        return log_format(self.log_format, self.registered, self.app_loaded, paths)


def check_paths(*paths: Path | str) -> None:
    """Raise `SettingsError` for URLs and for what cannot be a path."""
    for given in map(str, paths):
        if "\0" in given:
            raise SettingsError(f"{given!r} is not a path: it has a null character.")
        # `Path('s3://x')` becomes `s3:/x`.
        is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", given) and not is_address(given)
        if is_url and not Path(given).exists():
            raise SettingsError(
                f"'{given}' is a URL of a kind that is not known: input and output are folders, or "
                "addresses such as s3://bucket/path, gs://…, az://… and abfss://…."
            )
