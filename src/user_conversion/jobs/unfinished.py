"""Last lines without an end: rejected or blank, they are read again when the file has grown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from user_conversion.engines import Engine
from user_conversion.inputs.preparation import source_name, unfinished_text
from user_conversion.inputs.reading_plan import FileToRead
from user_conversion.rules.counts import EventCounts, Skipped
from user_conversion.rules.datasets import REJECTED_EVENTS
from user_conversion.rules.events import WHITESPACE
from user_conversion.rules.rejected import Reason, kept_text

# The source and the kept text of a line.
Line = tuple[str, str]


def continued_lines(to_read: Sequence[FileToRead]) -> list[Line]:
    """The unfinished last lines of files that have grown, as they were read."""
    return [
        (source_name(each.known.file.path), kept_text(unfinished_text(each.known, each.file.path)))
        for each in to_read
        if each.known and each.known.unfinished_at is not None
    ]


def counts(lines: Sequence[Line]) -> EventCounts:
    """How the lines were counted."""
    blank = sum(not raw.encode().strip(WHITESPACE) for _, raw in lines)
    verdicts: dict[str, int] = {Skipped.BLANK: blank, Reason.INVALID_JSON: len(lines) - blank}
    return EventCounts.of(len(lines), verdicts)


def without(lines: Sequence[Line], table: str, engine: Engine) -> str:
    """The query of the rows of `table`, which has rejected lines, without these lines."""
    engine.create_table(
        "continued",
        {"source": "string", "raw": "string", "lines": "bigint"},
        [(*line, number) for line, number in Counter(lines).items()],
    )
    # Equal lines are numbered, so that not more of them go than are continued.
    numbered = (
        "SELECT *, row_number() OVER (PARTITION BY source, reason, raw ORDER BY line_number DESC) "
        f"AS place FROM {table}"
    )
    return (
        f"SELECT {', '.join(REJECTED_EVENTS.columns)} FROM ({numbered}) AS numbered WHERE NOT "
        "EXISTS (SELECT 1 FROM continued WHERE continued.source = numbered.source "
        f"AND continued.raw = numbered.raw AND reason = '{Reason.INVALID_JSON}' AND place <= lines)"
    )
