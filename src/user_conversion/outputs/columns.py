"""Tables for terminals: columns are left out where they do not fit, so that none is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import JustifyMethod
from rich.table import Table

from user_conversion.outputs import words


@dataclass(frozen=True)
class Column:
    """One column of texts.

    Columns of the highest `rank` are left out first, those of rank 0 never. A cell longer than
    `folded_at` may be folded to several lines of at least that width.
    """

    heading: str
    cells: Sequence[str]
    rank: int = 0
    justify: JustifyMethod = "left"
    folded_at: int | None = None

    @property
    def width(self) -> int:
        """The characters that the column needs."""
        longest = max(map(cell_len, self.cells), default=0)
        return max(min(longest, self.folded_at or longest), cell_len(self.heading))


def fitting_table(
    columns: Sequence[Column], width: int, styles: Sequence[str] | None = None
) -> Table:
    """A table of as many of the columns as fit; one style per row, if any.

    If not even those of rank 0 fit, their gaps are narrower and cells are folded further.
    """
    gap = 2
    while _width(columns, gap) > width and (rank := max(column.rank for column in columns)):
        columns = [column for column in columns if column.rank < rank]
    if _width(columns, gap) > width:
        gap = 1
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for column in columns:
        heading, no_wrap = words.ordinary_spaces(column.heading), column.folded_at is None
        table.add_column(heading, justify=column.justify, no_wrap=no_wrap, overflow="fold")
    rows = list(zip(*(column.cells for column in columns), strict=True))
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        table.add_row(*map(words.ordinary_spaces, row), style=style)
    return table


def _width(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width + gap for column in columns) - gap
