"""Finds the lines that DuckDB's fast path left unclear, as bytes, by their position.

DuckDB gives one row per line that is not blank, in order, and says nothing of which line a row
came from. So a position counts the lines that are not blank, over all files in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from user_conversion.inputs.lines import LineFile, line_batches
from user_conversion.rules.events import WHITESPACE


@dataclass
class LineScan:
    """Reads all files again; afterwards `blank` and `rows` count blank and other lines."""

    files: Sequence[LineFile]
    blank: int = 0
    rows: int = 0

    def lines_at(self, positions: Sequence[int]) -> Iterator[tuple[LineFile, int, bytes]]:
        """The lines at these positions, which are in order: file, line number, bytes."""
        wanted = iter(positions)
        next_position = next(wanted, None)
        for file in self.files:
            number = 0
            for batch in line_batches(file):
                for line in batch:
                    number += 1
                    if not line.strip(WHITESPACE):
                        self.blank += 1
                        continue
                    if self.rows == next_position:
                        yield file, number, line
                        next_position = next(wanted, None)
                    self.rows += 1
