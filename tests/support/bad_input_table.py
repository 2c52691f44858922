"""The tables of docs/bad-input.md as test cases."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from support.repository import ROOT

DOCUMENT = ROOT / "docs" / "bad-input.md"
HEADER = ["what", "line", "counted as", "time (UTC)", "id", "channel or device type"]
RUN_BEGAN = re.compile(r"run of these examples began at `([^`]+)`")


@dataclass(frozen=True)
class Case:
    """One row: a line and what it is counted as; for an event also what is read from it.

    `text` is the channel of a `registered` line, the device type of an `app_loaded` one.
    """

    what: str
    line: bytes
    counted_as: str
    time: datetime | None
    initiator_id: int | None
    text: str | None


def run_started() -> datetime:
    """When the run of the examples began."""
    match = RUN_BEGAN.search(DOCUMENT.read_text(encoding="utf-8"))
    if match is None:
        raise ValueError(f"{DOCUMENT.name} does not say when the run of its examples began")
    return datetime.fromisoformat(match[1])


def cases() -> list[Case]:
    """Every row of the first table, in order. Raises ValueError if a row is not like the others."""
    return [_case(cells) for cells in _rows(HEADER)]


def parser_lines() -> list[bytes]:
    """The lines of the second table, which each parser may accept or reject."""
    return [_line(line) for _, line in _rows(HEADER[:2])]


def _rows(header: list[str]) -> Iterator[list[str]]:
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if _cells(line) == header:
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield _cells(line)


def _cells(row: str) -> list[str]:
    """No cell holds a vertical bar; code is freed from its backticks."""
    return [cell.strip().strip("`") for cell in row.strip().strip("|").split("|")]


def _case(cells: list[str]) -> Case:
    what, line, counted_as, time, initiator_id, text = cells
    return Case(
        what=what,
        line=_line(line),
        counted_as=counted_as,
        time=datetime.fromisoformat(time) if time else None,
        initiator_id=int(initiator_id) if initiator_id else None,
        text=json.loads(text) if text else None,
    )


def _line(text: str) -> bytes:
    return bytes(ast.literal_eval(f"b'{text}'"))
