"""The ledger: which input files were read into the output folder, and what was in them.

It is `ledger.json` in the output folder, one entry per batch of files that was read together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from user_conversion.engines import EventCounts
from user_conversion.errors import DatasetError, InputError
from user_conversion.inputs import InputFile

NAME = "ledger.json"
VERSION = 1


@dataclass(frozen=True)
class Batch:
    """Files that were read together, and what became of their lines."""

    read_at: str
    engine: str
    files: tuple[InputFile, ...]
    counts: EventCounts


@dataclass(frozen=True)
class Plan:
    """What a run has to read: everything anew, or files to add to what is there."""

    files: list[InputFile]
    rebuild: bool
    why: str


@dataclass(frozen=True)
class Ledger:
    """All batches behind the published events."""

    attributes: tuple[str, ...] = ()
    batches: tuple[Batch, ...] = field(default=())

    @classmethod
    def load(cls, output: Path) -> Ledger | None:
        """The ledger of an output folder, None if nothing was published there."""
        path = output / NAME
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["version"] != VERSION:
                raise ValueError
            batches = tuple(_batch(entry) for entry in document["batches"])
            return cls(tuple(document["attributes"]), batches)
        except (ValueError, KeyError, TypeError):
            raise DatasetError(
                f"'{path}' is not a ledger of this version; rebuild with --full-refresh."
            ) from None

    @property
    def counts(self) -> EventCounts:
        """The lines of all batches."""
        return sum((batch.counts for batch in self.batches), EventCounts())

    def files(self) -> dict[Path, InputFile]:
        """Every file that was read, by its path."""
        return {file.path: file for batch in self.batches for file in batch.files}

    def plan(self, files: Sequence[InputFile], attributes: tuple[str, ...]) -> Plan:
        """What to read so that the output is what a full rebuild from `files` would give.

        Raises `InputError` where a file that was read before is not among them: its events
        would be lost, and that is for the user to say.
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
        if attributes != self.attributes:
            return Plan(list(files), True, "the registration attributes changed")
        for path, file in read.items():
            if given[path] != file:
                return Plan(list(files), True, f"'{path}' changed")
        return Plan([file for file in files if file.path not in read], False, "new files")

    def with_batch(self, batch: Batch) -> Ledger:
        """The ledger with one more batch."""
        return Ledger(self.attributes, (*self.batches, batch))

    def as_json(self) -> dict[str, Any]:
        """The document, for people and for `load`."""
        return {
            "version": VERSION,
            "attributes": list(self.attributes),
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
                    "counts": asdict(batch.counts),
                }
                for batch in self.batches
            ],
        }


def _batch(entry: dict[str, Any]) -> Batch:
    datetime.fromisoformat(entry["read_at"])
    files = tuple(
        InputFile(Path(file["path"]), file["bytes"], file["modified_ns"]) for file in entry["files"]
    )
    return Batch(entry["read_at"], entry["engine"], files, EventCounts(**entry["counts"]))
