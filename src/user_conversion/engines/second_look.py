"""The lines that DuckDB could not take for events, found by position and read one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from user_conversion import events, inputs, quarantine
from user_conversion.events import Event, Rejected
from user_conversion.inputs import InputFile

# One row: kind of event, time, initiator_id, device_type and the registration attributes.
RecoveredRow = tuple[Any, ...]
# One row: source, line_number, reason, raw.
RejectedRow = tuple[str, int, str, str]


@dataclass
class SecondLook:
    """Goes through lines again, and counts what came of them.

    `passed_over` are the lines that DuckDB made no row of, almost always the blank ones.
    """

    files: Sequence[InputFile]
    line_counts: Sequence[int]
    attributes: Sequence[str]
    latest: datetime
    passed_over: int = 0
    blank: int = 0
    other: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    recovered: list[RecoveredRow] = field(default_factory=list)

    def rejected(self, rows: Sequence[int], passed_over: int) -> Iterator[RejectedRow]:
        """Read the lines at the given places among all that were not passed over, in order.

        `passed_over` is how many there must be: without any, no other line is touched.
        Yields the rejected lines; what turns out to be an event is in `recovered` afterwards.
        """
        for file, number, line in self._lines(rows, passed_over):
            try:
                event = events.read_line(line, self.latest)
            except Rejected as rejected:
                self.reasons[rejected.reason] += 1
                yield str(file.path), number, str(rejected.reason), quarantine.kept_text(line)
            else:
                if isinstance(event, Event):
                    self.recovered.append(self._row(event))
                elif event is None:
                    self.blank += 1
                else:
                    self.other += 1

    def _row(self, event: Event) -> RecoveredRow:
        fields = event.fields
        attributes = [fields.get(name) for name in self.attributes]
        time = event.time.replace(tzinfo=None)
        return event.event, time, event.initiator_id, fields.get("device_type"), *attributes

    def _lines(
        self, rows: Sequence[int], passed_over: int
    ) -> Iterator[tuple[InputFile, int, bytes]]:
        row, wanted = 0, 0
        for file, line_count in zip(self.files, self.line_counts, strict=True):
            if not passed_over and (wanted == len(rows) or rows[wanted] >= row + line_count):
                row += line_count
                continue
            number = 1
            for batch in inputs.line_batches(file.path):
                if passed_over:
                    numbered = [
                        (number + place, line)
                        for place, line in enumerate(batch)
                        if line.strip(events.WHITESPACE)
                    ]
                    self.blank += len(batch) - len(numbered)
                    if file.size == 1:  # passed over, whatever the byte is
                        yield from ((file, *line) for line in numbered)
                        numbered = []
                    self.passed_over += len(batch) - len(numbered)
                else:
                    numbered = []
                found = len(numbered) if passed_over else len(batch)
                until = bisect_left(rows, row + found, wanted)
                for place in islice(rows, wanted, until):
                    at = place - row
                    yield file, *(numbered[at] if passed_over else (number + at, batch[at]))
                number += len(batch)
                row += found
                wanted = until
