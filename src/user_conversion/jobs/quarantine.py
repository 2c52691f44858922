"""Rejected lines: how they are shown, and how many are too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from user_conversion.inputs.lines import has_more_lines
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import InputError, TooManyRejectedError

if TYPE_CHECKING:
    from user_conversion.engines import Engine
    from user_conversion.inputs.lines import LineFile

SHOWN = 100
EXAMPLES = 3


def check(
    engine: Engine, files: Sequence[LineFile], counts: EventCounts, max_rejected: float
) -> None:
    """Raise `InputError` if too many lines, or all lines of a file, were rejected."""
    if not counts.rejected:
        return
    if counts.rejected > max_rejected * (counts.lines - counts.blank):
        raise TooManyRejectedError(
            f"{counts.rejected:,} of {counts.lines - counts.blank:,} lines were rejected "
            f"({_listed(counts.rejected_by_reason)}), more than --max-rejected "
            f"{max_rejected:g} allows. Nothing was published. For example:\n{_examples(engine)}"
        )
    for source, by_reason in _rejected_by_source(engine).items():
        lines = sum(by_reason.values())
        if not any(has_more_lines(file, lines) for file in files if file.source == source):
            raise InputError(
                f"No line of '{source}' could be read as an event ({_listed(by_reason)}). Nothing "
                f"was published. Exclude the file, or see: user-conversion inspect '{source}'."
            )


def _rejected_by_source(engine: Engine) -> dict[str, dict[str, int]]:
    rows = engine.rows(
        "SELECT source, reason, count(*) AS lines FROM new_rejected_events "
        "GROUP BY source, reason ORDER BY source, reason"
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["source"], {})[row["reason"]] = row["lines"]
    return found


def _listed(by_reason: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in by_reason.items())


def _examples(engine: Engine) -> str:
    rows = engine.rows(
        "SELECT source, line_number, reason, raw FROM new_rejected_events "
        f"ORDER BY source, line_number LIMIT {EXAMPLES}"
    )
    return "\n".join(
        f"  {row['source']}, line {row['line_number'] or '?'}, {row['reason']}: "
        f"{_shown_text(row['raw'])}"
        for row in rows
    )


def _shown_text(raw: str) -> str:
    """A raw line in short. Control characters are replaced when it is printed."""
    text = raw.replace("\n", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
