"""Last lines without an end: rejected or blank, they are read again when the file has grown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from user_conversion.engines import Engine
from user_conversion.inputs.preparation import Prepared
from user_conversion.inputs.reading_plan import FileToRead, KnownFile
from user_conversion.rules.counts import EventCounts, Skipped
from user_conversion.rules.datasets import REJECTED_EVENTS
from user_conversion.rules.events import WHITESPACE
from user_conversion.rules.rejected import Reason, kept_text

# The source and the kept text of a line.
Line = tuple[str, str]


def continued_lines(prepared: Prepared) -> list[Line]:
    """The unfinished last lines of files that have grown, as they were read."""
    before = ((prepared.plan[place].known, lines) for place, lines in prepared.begun.items())
    return [
        (known.sources[-1], kept_text(line)) for known, lines in before if known for line in lines
    ]


def continued(new: FileToRead, read: KnownFile, begun: Sequence[bytes]) -> KnownFile:
    """What is known of a file, together with what was known before it grew.

    `begun` are the last lines that it had, if they were not finished.
    """
    known = new.known
    if known is None:
        return read
    return msgspec.structs.replace(
        read,
        # The name that its last lines have comes last.
        sources=(*(name for name in known.sources if name not in read.sources), *read.sources),
        counts=known.counts - sum(map(_counts, begun), EventCounts()) + read.counts,
        days=tuple(sorted({*known.days, *read.days})),
    )


def _counts(begun: bytes) -> EventCounts:
    """How a last line was counted when it was not finished."""
    is_blank = not begun.strip(WHITESPACE)
    return EventCounts.of(1, {Skipped.BLANK if is_blank else Reason.INVALID_JSON: 1})


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
