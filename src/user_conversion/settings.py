"""What a run is asked to do. Made by the command line; nothing else reads the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from user_conversion.errors import SettingsError
from user_conversion.weeks import time_zone

ENVIRONMENT_PREFIX = "USER_CONVERSION_"
MEMORY_SIZE = re.compile(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", re.IGNORECASE)


@dataclass(frozen=True)
class EngineSettings:
    """Which engine computes, and how it is set up."""

    engine: str = "duckdb"
    master: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    memory_limit: str | None = None
    scratch: Path | None = None
    verbose: bool = False

    def __post_init__(self) -> None:
        if self.memory_limit is None:
            return
        if self.engine != "duckdb":
            raise SettingsError(
                "--memory-limit is for DuckDB; on Spark set --conf spark.driver.memory=4g, and on "
                "a cluster spark.executor.memory."
            )
        if not MEMORY_SIZE.fullmatch(self.memory_limit):
            raise SettingsError(
                f"--memory-limit {self.memory_limit}: give a size such as 2GiB or 800MB."
            )


@dataclass(frozen=True)
class SplitSettings:
    """What `events-split` reads, and when it refuses."""

    inputs: tuple[str, ...] = ("data-input",)
    output: Path = Path("data-output")
    attributes: tuple[str, ...] = ("channel",)
    max_rejected: float = 0.01
    full_refresh: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected <= 1:
            raise SettingsError("--max-rejected is a share of lines between 0 and 1, e.g. 0.01.")
        check_attributes(self.attributes)
        check_paths(self.output, *self.inputs)


@dataclass(frozen=True)
class ConversionSettings:
    """How `conversion-rate-week-after-registration` reads the events."""

    output: Path = Path("data-output")
    definition: str = "next-week"
    timezone: str = "UTC"
    as_of: date | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        time_zone(self.timezone)
        check_paths(self.output)
        if self.as_of and not 1970 <= self.as_of.year < 9999:
            raise SettingsError(f"--as-of {self.as_of}: give a day of the years 1970 to 9998.")


def check_paths(*paths: Path | str) -> None:
    """Refuse what is no path of a file system, with `SettingsError`."""
    for path in paths:
        # One slash of a URL is left where it has been made a path.
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) and not Path(path).exists():
            raise SettingsError(
                f"'{path}' is a URL: input and output are folders of a file system here, on a "
                "cluster one that all machines share. Mount the store, or copy the logs."
            )


# Columns of the datasets and of the tables that are joined or computed on the way to them.
RESERVED = {
    *("event", "time", "timestamp", "initiator_id", "registered_at", "first_loaded_at"),
    *("device_type", "week_offset", "loaded_next_week", "converted", "registration_week"),
    *("derived_tstamp_day", "loads", "loads_before_registration", "week_number", "place"),
    *("utc_day", "starts_at", "ends_at", "next_week_starts_at", "next_week_ends_at"),
    *("loaded_at", "first_load", "load_week_number"),
}


def check_attributes(attributes: tuple[str, ...]) -> None:
    """Refuse registration attributes that cannot be columns, with `SettingsError`."""
    for name in attributes:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise SettingsError(
                f"'{name}' cannot be a registration attribute: use letters, digits and _."
            )
        if name.lower() in RESERVED:
            raise SettingsError(f"'{name}' is a column already and cannot be an attribute.")
    if len({name.lower() for name in attributes}) < len(attributes):
        raise SettingsError("A registration attribute is named twice.")
