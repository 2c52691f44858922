"""The ledger: which input files were read into the output folder, and how their lines counted.

It is `ledger.json` in the output folder, with one entry per batch of files read together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from user_conversion.documents import read_document
from user_conversion.errors import DatasetError, InputError
from user_conversion.events import EventCounts
from user_conversion.inputs.files import InputFile
from user_conversion.log_format import LogFormat, attributes_of
from user_conversion.publication import LEDGER, Publication
from user_conversion.row_counts import Rows

VERSION = 3


@dataclass(frozen=True)
class Batch:
    """Files that were read together, and how their lines were counted."""

    read_at: str
    engine: str
    files: tuple[InputFile, ...]
    counts: EventCounts


@dataclass(frozen=True)
class Plan:
    """The files a run has to read: all of them for a rebuild, or those to add."""

    files: list[InputFile]
    rebuild: bool
    why: str


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

    def files(self) -> dict[Path, InputFile]:
        """Every file that was read, by its path."""
        return {file.path: file for batch in self.batches for file in batch.files}

    def plan(self, files: Sequence[InputFile], log_format: LogFormat) -> Plan:
        """The files to read so that the output equals a full rebuild from `files`.

        Raises `InputError` if a file that was read before is not among them: neither dropping nor
        keeping its events is safe, so the user has to decide.
        """
        read, given = self.files(), {file.path: file for file in files}
        gone = [path for path in read if path not in given]
        if gone:
            what = "is not among the inputs" if gone[0].exists() else "is gone"
            more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
            raise InputError(
                f"'{gone[0]}'{more} was read into this output before and {what} now. Name all "
                "inputs, or choose another --output, or rebuild from the inputs given with "
                "--full-refresh."
            )
        if log_format.as_json() != self.log_format:
            return Plan(list(files), True, "the log format changed")
        for path, file in read.items():
            if given[path] != file:
                return Plan(list(files), True, f"'{path}' changed")
        return Plan([file for file in files if file.path not in read], False, "new files")

    def with_batch(self, batch: Batch) -> Ledger:
        """The ledger with one more batch."""
        return replace(self, batches=(*self.batches, batch))

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
                    "files": [
                        {
                            "path": str(file.path),
                            "bytes": file.size,
                            "modified": file.modified.isoformat(),
                            "modified_ns": file.modified_ns,
                        }
                        for file in batch.files
                    ],
                    "counts": batch.counts.as_json(),
                }
                for batch in self.batches
            ],
        }


def _batch(entry: dict[str, Any]) -> Batch:
    datetime.fromisoformat(entry["read_at"])
    files = tuple(
        InputFile(Path(file["path"]), file["bytes"], file["modified_ns"]) for file in entry["files"]
    )
    return Batch(entry["read_at"], entry["engine"], files, EventCounts.from_json(entry["counts"]))


def _rows(entry: dict[str, dict[str, int]]) -> Rows:
    return {
        name: {value: int(number) for value, number in by_value.items()}
        for name, by_value in entry.items()
    }
