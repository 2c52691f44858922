"""The ledger: which input files were read into the output, and how their lines were counted.

It is `ledger.json` in the output folder.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import msgspec

from user_conversion.inputs.reading_plan import KnownFile
from user_conversion.places.documents import Document, decoded
from user_conversion.places.footers import Rows
from user_conversion.places.layout import LEDGER
from user_conversion.places.place import Place
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.log_format import LogFormat, RecordedLogFormat, attributes_of, id_type


class Batch(msgspec.Struct, frozen=True):
    """A run that read files; `read_at` is when it began."""

    read_at: str
    engine: str


class Ledger(Document, frozen=True, tag=4):
    """All files behind the published events, and the log format they were read with.

    `rows` are the published rows by dataset and partition.
    """

    log_format: RecordedLogFormat
    batches: tuple[Batch, ...] = ()
    files: tuple[KnownFile, ...] = ()
    rows: Rows = msgspec.field(default_factory=dict)

    @classmethod
    def new(cls, log_format: LogFormat) -> Ledger:
        """The ledger of an output without events."""
        return cls(log_format=log_format.recorded)

    @classmethod
    def load(cls, output: Place) -> Ledger | None:
        """The ledger of an output, None if nothing was published there."""
        try:
            content = output.read(LEDGER)
            ledger = None if content is None else decoded(content, cls)
            if ledger and not ledger.counts.is_consistent:
                raise ValueError("its counts do not add up")
            return ledger
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"'{output.of(LEDGER)}' is not a ledger of this version ({error}); rebuild with "
                "--full-refresh."
            ) from None

    @property
    def counts(self) -> EventCounts:
        """The lines of all files."""
        return sum((each.counts for each in self.files), EventCounts())

    @property
    def latest_day(self) -> date | None:
        """The last UTC day with events."""
        days = (day for file in self.files for day in file.days)
        return max(days, default=None)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fields that were kept with each registration."""
        return attributes_of(self.log_format.fields)

    @property
    def id_type(self) -> str:
        """The type of the column initiator_id."""
        return id_type(self.log_format.ids)

    def was_read_as(self, log_format: LogFormat) -> bool:
        """Whether the events were read with this log format, whatever it is called."""
        return self.log_format.reads_as(log_format.recorded)

    def with_files(self, batch: Batch, files: Sequence[KnownFile]) -> Ledger:
        """The ledger after one more run, with all files behind the events."""
        return msgspec.structs.replace(self, batches=(*self.batches, batch), files=tuple(files))

    def with_rows(self, written: Rows, dropped: Mapping[str, Collection[str]]) -> Ledger:
        """The ledger after some partitions were written, and others dropped."""
        names = sorted(self.rows.keys() | written.keys())
        rows = {}
        for name in names:
            stay = self.rows.get(name, {}).keys() - set(dropped.get(name, ()))
            kept = {value: self.rows[name][value] for value in stay}
            rows[name] = dict(sorted({**kept, **written.get(name, {})}.items()))
        return msgspec.structs.replace(self, rows=rows)
