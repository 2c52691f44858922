"""The ledger: which input files were read into the output folder, and how their lines counted.

It is `ledger.json` in the output folder, with one entry per batch of files read together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from user_conversion.inputs.reading_plan import KnownFile
from user_conversion.places.documents import Document, read_document
from user_conversion.places.layout import LEDGER
from user_conversion.places.row_counts import Rows
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.log_format import LogFormat, attributes_of


class Batch(msgspec.Struct, frozen=True):
    """Files that were read together, and how their lines were counted."""

    read_at: datetime
    engine: str
    files: tuple[KnownFile, ...]
    counts: EventCounts


class Ledger(Document, frozen=True, tag=3):
    """All batches behind the published events, and the log format they were read with.

    `rows` are the published rows by dataset and partition.
    """

    log_format: Mapping[str, Any]
    rows: Rows = msgspec.field(default_factory=dict)
    batches: tuple[Batch, ...] = ()

    @classmethod
    def new(cls, log_format: LogFormat) -> Ledger:
        """The ledger of an output without events."""
        return cls(log_format=log_format.as_json())

    @classmethod
    def load(cls, output: Path) -> Ledger | None:
        """The ledger of an output folder, None if nothing was published there.

        Raises `DatasetError` if it cannot be read.
        """
        path = output / LEDGER
        if not path.exists():
            return None
        try:
            return read_document(path, cls)
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"'{path}' is not a ledger of this version ({error}); rebuild with --full-refresh."
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
            msgspec.structs.replace(
                each, files=tuple(file for file in each.files if file not in continued)
            )
            for each in self.batches
        )
        return msgspec.structs.replace(self, batches=(*before, batch))

    def with_rows(self, written: Rows) -> Ledger:
        """The ledger after some partitions were written."""
        names = self.rows.keys() | written.keys()
        rows = {name: {**self.rows.get(name, {}), **written.get(name, {})} for name in names}
        return msgspec.structs.replace(
            self, rows={name: dict(sorted(rows[name].items())) for name in sorted(rows)}
        )
