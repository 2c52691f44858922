"""The ledger: which input files were read into the output folder, and how their lines counted.

It is `ledger.json` in the output folder, with one entry per batch of files read together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from user_conversion.inputs.files import InputFile
from user_conversion.inputs.identity import Identity
from user_conversion.inputs.reading_plan import KnownFile
from user_conversion.places.documents import read_document
from user_conversion.places.layout import LEDGER
from user_conversion.places.publication import Publication
from user_conversion.places.row_counts import Rows
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.log_format import LogFormat, attributes_of

VERSION = 3


@dataclass(frozen=True)
class Batch:
    """Files that were read together, and how their lines were counted."""

    read_at: str
    engine: str
    files: tuple[KnownFile, ...]
    counts: EventCounts


@dataclass(frozen=True)
class Ledger:
    """All batches behind the published events, and the log format they were read with.

    `rows` are the published rows by dataset and partition.
    """

    log_format: Mapping[str, Any]
    batches: tuple[Batch, ...] = ()
    rows: Rows = field(default_factory=dict)

    @classmethod
    def new(cls, log_format: LogFormat) -> Ledger:
        """The ledger of an output without events."""
        return cls(log_format.as_json())

    @classmethod
    def load(cls, output: Path) -> Ledger | None:
        """The ledger of an output folder, None if nothing was published there."""
        path = output / LEDGER
        if not path.exists():
            return None
        try:
            document = read_document(path, VERSION)
            batches = tuple(map(_batch, document["batches"]))
            return cls(document["log_format"], batches, _rows(document["rows"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise DatasetError(
                f"'{path}' is not a ledger of this version; rebuild with --full-refresh."
            ) from None

    @property
    def counts(self) -> EventCounts:
        """The lines of all batches."""
        return sum((batch.counts for batch in self.batches), EventCounts())

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fields that were kept with each registration."""
        return attributes_of(self.log_format["fields"])

    @property
    def id_type(self) -> str:
        """The type of the column initiator_id."""
        return "bigint" if self.log_format["ids"] == "integer" else "string"

    @property
    def files(self) -> list[KnownFile]:
        """Every file that was read."""
        return [file for batch in self.batches for file in batch.files]

    def with_batch(self, batch: Batch, continued: Collection[KnownFile] = ()) -> Ledger:
        """The ledger with one more batch, which has more of the files that are `continued`."""
        before = tuple(
            replace(each, files=tuple(file for file in each.files if file not in continued))
            for each in self.batches
        )
        return replace(self, batches=(*before, batch))

    def with_rows(self, written: Rows) -> Ledger:
        """The ledger after some partitions were written."""
        names = self.rows.keys() | written.keys()
        rows = {name: {**self.rows.get(name, {}), **written.get(name, {})} for name in names}
        return replace(self, rows={name: dict(sorted(rows[name].items())) for name in sorted(rows)})

    def save(self, publication: Publication) -> None:
        """Stage the ledger for publication."""
        publication.write_json(LEDGER, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The document, for people and for `load`."""
        return {
            "version": VERSION,
            "log_format": self.log_format,
            "rows": self.rows,
            "batches": [
                {
                    "read_at": batch.read_at,
                    "engine": batch.engine,
                    "files": [_file_as_json(file) for file in batch.files],
                    "counts": batch.counts.as_json(),
                }
                for batch in self.batches
            ],
        }


def _file_as_json(known: KnownFile) -> dict[str, Any]:
    return {
        # For people; a file is known by its content.
        "path": str(known.file.path),
        "bytes": known.file.size,
        "modified": known.file.modified.isoformat(),
        "modified_ns": known.file.modified_ns,
        "beginning": known.identity.beginning,
        "end": known.identity.end,
        "can_grow": known.can_grow,
        "unfinished_at": known.unfinished_at,
    }


def _file(entry: dict[str, Any]) -> KnownFile:
    size = entry["bytes"]
    return KnownFile(
        InputFile(Path(entry["path"]), size, entry["modified_ns"]),
        Identity(size, entry["beginning"], entry["end"]),
        entry["can_grow"],
        entry["unfinished_at"],
    )


def _batch(entry: dict[str, Any]) -> Batch:
    datetime.fromisoformat(entry["read_at"])
    counts = EventCounts.from_json(entry["counts"])
    return Batch(entry["read_at"], entry["engine"], tuple(map(_file, entry["files"])), counts)


def _rows(entry: dict[str, dict[str, int]]) -> Rows:
    return {
        name: {value: int(number) for value, number in by_value.items()}
        for name, by_value in entry.items()
    }
