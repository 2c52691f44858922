"""What must be true of the lines and the rows of a run before they are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from user_conversion.inputs.ledger import Ledger
from user_conversion.inputs.lines import LineFile, has_more_lines
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import EngineError, InputError, TooManyRejectedError
from user_conversion.rules.log_format import LogFormat

if TYPE_CHECKING:
    from user_conversion.engines import Engine

SHOWN = 100
EXAMPLES = 3


def check_lines(
    engine: Engine, files: Sequence[LineFile], counts: EventCounts, max_rejected: float
) -> None:
    """Raise `InputError` if too many lines, or all lines of a file, were rejected.

    Raises `EngineError` if lines were not counted.
    """
    if counts.unaccounted():
        raise EngineError(
            f"{counts.unaccounted()} of {counts.lines} lines were not counted; nothing was "
            "published. Please report this as a bug."
        )
    if not counts.rejected:
        return
    if counts.rejected > max_rejected * (counts.lines - counts.blank):
        raise TooManyRejectedError(
            f"{counts.rejected:,} of {counts.lines - counts.blank:,} lines were rejected "
            f"({_listed(counts.rejected_by_reason)}), more than --max-rejected "
            f"{max_rejected:g} allows. Nothing was published. For example:\n{_examples(engine)}"
        )
    # Lines that were added to a log may all be bad: it had good ones before.
    continued = {file.source for file in files if file.begins_at}
    for source, by_reason in _rejected_by_source(engine).items():
        if source in continued:
            continue
        lines = sum(by_reason.values())
        if not any(has_more_lines(file, lines) for file in files if file.source == source):
            raise InputError(
                f"No line of '{source}' could be read as an event ({_listed(by_reason)}). Nothing "
                f"was published. Exclude the file, or see: user-conversion inspect '{source}'."
            )


def require_events(counts: EventCounts, files: Sequence[LineFile], log_format: LogFormat) -> None:
    """Raise `InputError` if none of all lines is an event of the two kinds."""
    if counts.registered or counts.app_loaded or counts.lines == counts.blank:
        return
    from user_conversion.inputs.inspection import advice

    raise InputError(
        f"None of {counts.lines - counts.blank:,} lines is a registered or app_loaded event; "
        f"nothing was published. {advice(files, log_format)}"
    )


def check_rows(datasets: Sequence[Dataset], ledger: Ledger) -> None:
    """Raise `EngineError` unless the ledger has as many rows of each dataset as lines.

    The datasets are those of registrations, loads and rejected lines, in this order.
    """
    counts = ledger.counts
    counted_lines = (counts.registered, counts.app_loaded, counts.rejected)
    for dataset, counted in zip(datasets, counted_lines, strict=True):
        written = sum(ledger.rows[dataset.name].values())
        if written != counted:
            raise EngineError(
                f"{written} rows of {dataset.name} were written for {counted} lines; nothing was "
                "published. Please report this as a bug."
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
