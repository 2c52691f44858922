"""What an engine is: its description as data, its methods, and what engines share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from user_conversion.engines.tables import Tables
from user_conversion.rules.counts import LineCount
from user_conversion.rules.log_format import LogFormat

if TYPE_CHECKING:
    from user_conversion.inputs.lines import LineFile
    from user_conversion.places.stores.remote import Remote


@dataclass(frozen=True)
class EngineDescription:
    """What an engine is called, where its class is, and what it can do.

    `home` is `module:Class`; `dialect` is the compiled SQL of the metric that it runs.
    `compressions` are those of lines that it reads itself, and `parquet` if it reads that; other
    files are decompressed, or made lines, first.
    `line_numbers` says whether rejected lines have their number. `options` are the settings that
    only this engine has, each with the advice for users of other engines.
    """

    name: str
    home: str
    dialect: str
    compressions: frozenset[str] = frozenset()
    line_numbers: bool = True
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineOptions:
    """What an engine can be asked to do.

    `master` is the URL of a server, `properties` are the engine's own, `memory_limit` is a size,
    `verbose` shows the engine's own log. If there is a `remote`, the engine reads and writes there
    what is below its folder.
    """

    master: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    memory_limit: str | None = None
    verbose: bool = False
    remote: Remote | None = None

    @property
    def on_cluster(self) -> bool:
        """Whether other machines than this one read and write."""
        return self.master is not None and not self.master.startswith("local")


class Engine(Tables):
    """Reads event logs, and has named tables. Instants are in UTC, whatever the machine's zone."""

    @abstractmethod
    def __init__(self, options: EngineOptions, scratch: Path | None = None) -> None:
        """Start the engine; it keeps temporary files in the folder `scratch`."""

    @abstractmethod
    def close(self) -> None:
        """Stop the engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions of the software that computes, by name."""

    def read_events(
        self, files: Sequence[LineFile], log_format: LogFormat, latest: datetime, name: str = "new"
    ) -> list[LineCount]:
        """Read event logs into three tables, and count the lines by what they are.

        `NAME_user_registration` and `NAME_app_loaded` have the columns of the datasets, with
        `time` in UTC; `NAME_rejected_events` has one row per rejected line. They exist until the
        engine is closed or reads into the same name again, and do not need the files. Events later
        than `latest` are rejected. This method parses line by line in Python; engines override it
        with something faster. Raises `InputError`.
        """
        # The command line knows the engines, and not how they read.
        from user_conversion.engines.lines import read_files

        return read_files(self, files, log_format, latest, name)
