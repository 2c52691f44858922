"""Rejected lines that are rejected no longer, so that adding files gives what a rebuild would.

A line that had no end when it was read was rejected, and is read again when the file has grown.
An event that was in the future is read again when its time has come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from user_conversion.engines import Engine
from user_conversion.inputs.lines import LineFile
from user_conversion.inputs.preparation import unfinished_text
from user_conversion.inputs.reading_plan import FileToRead
from user_conversion.places.layout import files_of
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.datasets import REJECTED_EVENTS
from user_conversion.rules.events import Event, read_line
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.rejected import Reason, Rejected, kept_text

PREVIOUS = "previous_rejected_events"


@dataclass
class Superseded:
    """Published rejected lines to remove, and those of them to read again as they are."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    read_again: list[LineFile] = field(default_factory=list)

    def counts(self) -> EventCounts:
        """The counts of the lines to remove."""
        return EventCounts.of(len(self.rows), Counter(reason for _, reason, _ in self.rows))

    def kept(self, engine: Engine) -> str:
        """The query of the published rejected lines that stay."""
        key = {"source": "string", "reason": "string", "raw": "string"}
        rows = [(*row, lines) for row, lines in Counter(self.rows).items()]
        engine.create_table("superseded", key | {"lines": "bigint"}, rows)
        same = " AND ".join(f"superseded.{name} = numbered.{name}" for name in key)
        # Equal lines are numbered, so that not more of them go than are superseded.
        numbered = (
            f"SELECT *, row_number() OVER (PARTITION BY {', '.join(key)} ORDER BY line_number) "
            f"AS place FROM {PREVIOUS}"
        )
        return (
            f"SELECT {', '.join(REJECTED_EVENTS.columns)} FROM ({numbered}) AS numbered WHERE NOT "
            f"EXISTS (SELECT 1 FROM superseded WHERE {same} AND place <= lines)"
        )


def name_previous(engine: Engine, output: Path) -> None:
    """Name the published rejected lines as a table."""
    engine.read_parquet(PREVIOUS, REJECTED_EVENTS.columns, files_of(REJECTED_EVENTS, output))


def add_unfinished(superseded: Superseded, to_read: Sequence[FileToRead]) -> None:
    """Add the unfinished last lines of files that have grown."""
    for each in to_read:
        if each.known and each.known.unfinished_at is not None:
            source = str(each.known.file.path)
            text = kept_text(unfinished_text(each.known, each.file.path))
            superseded.rows.append((source, str(Reason.INVALID_JSON), text))


def add_past_events(
    superseded: Superseded, engine: Engine, log_format: LogFormat, latest: datetime, scratch: Path
) -> None:
    """Add the events that were later than the last run accepted, and are not any more."""
    reason = Reason.TIMESTAMP_OUT_OF_RANGE
    rows = engine.rows(f"SELECT source, raw FROM {PREVIOUS} WHERE reason = '{reason}'")
    for number, row in enumerate(rows):
        source, line = row["source"], row["raw"].encode()
        kind = log_format.kind_of_file(Path(source))
        try:
            event = read_line(line, log_format, latest, kind)
        except Rejected:
            continue
        if isinstance(event, Event):
            part = scratch / f"past-{number}.json"
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(line + b"\n")
            superseded.rows.append((source, str(reason), row["raw"]))
            superseded.read_again.append(LineFile(part, source, "none", kind, len(line) + 1))
