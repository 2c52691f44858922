"""What must be true of the lines and the rows of a run before they are published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import msgspec

from user_conversion.inputs.ledger import Ledger
from user_conversion.inputs.lines import LineFile
from user_conversion.inputs.preparation import Prepared
from user_conversion.inputs.reading_plan import KnownFile
from user_conversion.jobs.events_split.notes import not_utf_8
from user_conversion.rules.counts import EventCounts, LineCount
from user_conversion.rules.datasets import Dataset
from user_conversion.rules.errors import EngineError, InputError, TooManyRejectedError
from user_conversion.rules.log_format import KINDS, LogFormat

if TYPE_CHECKING:
    from user_conversion.engines import Engine
    from user_conversion.inputs.inspection.samples import Records

SHOWN = 100
EXAMPLES = 3


def counts_by_file(files: Sequence[LineFile], counted: Sequence[LineCount]) -> list[EventCounts]:
    """How the lines of each file were counted. Raises `EngineError` if some were not."""
    verdicts = [Counter[str]() for _ in files]
    for each in counted:
        verdicts[each.file][each.verdict] += each.lines
    counts = [
        EventCounts.of(file.lines, found) for file, found in zip(files, verdicts, strict=True)
    ]
    for file, found in zip(files, counts, strict=True):
        if found.unaccounted():
            raise EngineError(
                f"{found.unaccounted()} of {found.lines} lines of '{file.source}' were not "
                "counted; nothing was published. Please report this as a bug."
            )
    return counts


def check_lines(
    engine: Engine,
    prepared: Prepared,
    counts: Sequence[EventCounts],
    max_rejected: float,
    log_format: LogFormat,
    sample: Callable[[], Records],
) -> None:
    """Raise `InputError` if too many lines, or all lines of a file, were rejected.

    Lines that were added to a file may all be rejected: it had good ones before.
    """
    total = sum(counts, EventCounts())
    if total.rejected > max_rejected * (total.lines - total.blank):
        from user_conversion.inputs.inspection.guesses import other_preset

        hints = filter(None, (*not_utf_8(engine), other_preset(sample(), log_format)))
        were = "was" if total.rejected == 1 else "were"
        raise TooManyRejectedError(
            f"{total.rejected:,} of {total.lines - total.blank:,} lines {were} rejected "
            f"({_listed(total.rejected_by_reason)}), more than --max-rejected "
            f"{max_rejected:g} allows. Nothing was published. For example: "
            + " ".join([f"{_examples(engine)}.", *hints])
        )
    for file, found in zip(prepared.files, counts, strict=True):
        is_new = prepared.plan[file.origin].known is None
        if is_new and found.rejected and found.rejected == found.lines - found.blank:
            raise InputError(
                f"No line of '{file.source}' could be read as an event "
                f"({_listed(found.rejected_by_reason)}). Nothing was published. Exclude the file, "
                f"or see: user-conversion inspect '{file.source}'."
            )


def known_files(
    prepared: Prepared, counts: Sequence[EventCounts], counted: Sequence[LineCount], read_at: str
) -> list[KnownFile]:
    """The files that were read, with what came of their lines."""
    totals = [EventCounts() for _ in prepared.inputs]
    days: list[set[date]] = [set() for _ in prepared.inputs]
    for file, found in zip(prepared.files, counts, strict=True):
        totals[file.origin] += found
    for each in counted:
        if each.day:
            days[prepared.files[each.file].origin].add(each.day)
    return [
        msgspec.structs.replace(
            known, read_at=read_at, counts=totals[number], days=tuple(sorted(days[number]))
        )
        for number, known in enumerate(prepared.inputs)
    ]


def check_events(
    counts: EventCounts,
    before: EventCounts,
    log_format: LogFormat,
    sample: Callable[[], Records],
) -> tuple[str, ...]:
    """Say if a kind of events is absent, and what to try by a sample of records.

    Raises `InputError` if both registrations and loads are, or if it was there `before` in the
    published events.
    """
    absent = [kind for kind in log_format.kinds if not getattr(counts, kind)]
    if not absent or counts.lines == counts.blank:
        return ()
    from user_conversion.inputs.inspection.guesses import advice

    what = f"None of {counts.lines - counts.blank:,} lines is of the kind {' or '.join(absent)}"
    if {*KINDS} <= {*absent} or any(getattr(before, kind) for kind in absent):
        raise InputError(f"{what}; nothing was published. {advice(sample(), log_format)}")
    return (f"{what}. {advice(sample(), log_format)}",)


def check_rows(datasets: Sequence[Dataset], ledger: Ledger) -> None:
    """Raise `EngineError` unless the ledger has as many rows of each dataset as lines.

    The datasets are those of the kinds of events and of rejected lines, in this order.
    """
    counted_lines = [
        getattr(ledger.counts, name) for name in (*ledger.log_format.kinds, "rejected")
    ]
    for dataset, counted in zip(datasets, counted_lines, strict=True):
        written = sum(ledger.rows[dataset.name].values())
        if written != counted:
            raise EngineError(
                f"{written} rows of {dataset.name} were written for {counted} lines; nothing was "
                "published. Please report this as a bug."
            )


def _listed(by_reason: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in by_reason.items())


def _examples(engine: Engine) -> str:
    rows = engine.rows(
        "SELECT source, line_number, reason, raw FROM new_rejected_events "
        f"ORDER BY source, line_number LIMIT {EXAMPLES}"
    )
    return "; ".join(
        f"{row['source']}, line {row['line_number'] or '?'}, {row['reason']}: "
        f"{_shown_text(row['raw'])}"
        for row in rows
    )


def _shown_text(raw: str) -> str:
    """A raw line in short. Control characters are replaced when it is printed."""
    text = raw.replace("\n", "\N{REPLACEMENT CHARACTER}")
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
