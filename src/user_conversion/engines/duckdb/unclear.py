"""Finds the lines that DuckDB's fast path left unclear, as bytes, by their position.

DuckDB gives one row per line that is not blank, in order, and says nothing of which line a row
came from. So a position counts the lines of a file that are not blank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from user_conversion.engines.lines import NumberedLine
from user_conversion.inputs.lines import LineFile, line_batches
from user_conversion.rules.events import BYTE_ORDER_MARK, WHITESPACE


@dataclass
class LineScan:
    """Reads a file again; afterwards `blank` and `rows` count blank and other lines.

    `place` is that of the file among those that are read, `positions` are those of the unclear
    rows in order, `rows_read` is the number of rows that DuckDB made.
    """

    place: int
    file: LineFile
    positions: Sequence[int]
    rows_read: int
    blank: int = 0
    rows: int = 0

    def lines(self) -> Iterator[NumberedLine]:
        """The unclear lines; all of a file that DuckDB did not read."""
        wanted = iter(self.positions if self.rows_read else range(self.file.lines))
        next_position = next(wanted, None)
        number = 0
        for batch in line_batches(self.file):
            for line in batch:
                number += 1
                text = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
                if not text.strip(WHITESPACE):
                    self.blank += 1
                    continue
                if self.rows == next_position:
                    yield self.place, self.file, number, line
                    next_position = next(wanted, None)
                self.rows += 1
