"""What must be true of the lines of a run before they are published, and what to say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import msgspec

from user_conversion.engines import Engine
from user_conversion.inputs.reading_plan import KnownFile
from user_conversion.jobs.events_split.reading import Reading
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import EngineError, InputError, TooManyRejectedError
from user_conversion.rules.log_format import CHANNEL, KINDS
from user_conversion.rules.rejected import Reason

SHOWN = 100
EXAMPLES = 3


def counts_by_file(reading: Reading) -> list[EventCounts]:
    """How the lines of each file were counted. Raises `EngineError` if some were not."""
    files = reading.prepared.files
    verdicts = [Counter[str]() for _ in files]
    for each in reading.counted:
        verdicts[each.file][each.verdict] += each.lines
    counts = []
    for file, verdict in zip(files, verdicts, strict=True):
        found = EventCounts.of(file.lines, verdict)
        if found.unaccounted():
            raise EngineError(
                f"{found.unaccounted()} of {found.lines} lines of '{file.source}' were not "
                "counted; nothing was published. Please report this as a bug."
            )
        counts.append(found)
    return counts


def check_lines(reading: Reading, counts: Sequence[EventCounts]) -> None:
    """Raise `InputError` if too many lines, or all lines of a file, were rejected.

    Lines that were added to a file may all be rejected: it had good ones before.
    """
    run, prepared, total = reading.run, reading.prepared, sum(counts, EventCounts())
    limit = run.settings.max_rejected
    if total.rejected > limit * (total.lines - total.blank):
        from user_conversion.inputs.inspection.guesses import other_preset

        preset = other_preset(reading.sample(), run.settings.events)
        hints = filter(None, (*not_utf_8(run.engine), preset))
        were = "was" if total.rejected == 1 else "were"
        raise TooManyRejectedError(
            f"{total.rejected:,} of {total.lines - total.blank:,} lines {were} rejected "
            f"({_listed(total.rejected_by_reason)}), more than --max-rejected "
            f"{limit:g} allows. Nothing was published. For example: "
            + " ".join([f"{_examples(run.engine)}.", *hints])
        )
    for file, found in zip(prepared.files, counts, strict=True):
        is_new = prepared.plan[file.origin].known is None
        if is_new and found.rejected and found.rejected == found.lines - found.blank:
            raise InputError(
                f"No line of '{file.source}' could be read as an event "
                f"({_listed(found.rejected_by_reason)}). Nothing was published. Exclude the file, "
                f"or see: user-conversion inspect '{file.source}'."
            )


def known_files(reading: Reading, counts: Sequence[EventCounts]) -> list[KnownFile]:
    """The files that were read, with what came of their lines."""
    prepared, read_at = reading.prepared, reading.run.started.isoformat()
    totals = [EventCounts() for _ in prepared.inputs]
    days: list[set[date]] = [set() for _ in prepared.inputs]
    for file, found in zip(prepared.files, counts, strict=True):
        totals[file.origin] += found
    for each in reading.counted:
        if each.day:
            days[prepared.files[each.file].origin].add(each.day)
    return [
        msgspec.structs.replace(known, read_at=read_at, counts=total, days=tuple(sorted(found)))
        for known, total, found in zip(prepared.inputs, totals, days, strict=True)
    ]


def check_events(reading: Reading, counts: EventCounts, before: EventCounts) -> tuple[str, ...]:
    """Say if a kind of events is absent, and what to try by a sample of records.

    Raises `InputError` if both registrations and loads are, or if it was there `before` in the
    published events.
    """
    log_format = reading.run.settings.events
    absent = [kind for kind in log_format.kinds if not getattr(counts, kind)]
    if not absent or counts.lines == counts.blank:
        return ()
    from user_conversion.inputs.inspection.guesses import advice

    what = f"None of {counts.lines - counts.blank:,} lines is of the kind {' or '.join(absent)}"
    more = advice(reading.sample(), log_format)
    if {*KINDS} <= {*absent} or any(getattr(before, kind) for kind in absent):
        raise InputError(f"{what}; nothing was published. {more}".rstrip())
    return (f"{what}. {more}".rstrip(),)


def on_first_reading(reading: Reading) -> Iterator[str]:
    """What the log format names and no line has: names of events, fields of registrations."""
    engine, log_format = reading.run.engine, reading.run.settings.events
    if reading.unseen:
        from user_conversion.inputs.inspection.guesses import names_seen

        listed = ", ".join(map(repr, reading.unseen))
        yield f"No line has the event {listed}. {names_seen(reading.sample(), log_format)}."
    optional = [name for name in log_format.attributes if name != CHANNEL]
    if not optional:
        return
    counted = "".join(f", count({name}) AS {name}" for name in map(engine.quoted, optional))
    rows = engine.quoted("all rows")  # no field has a name with a space
    (row,) = engine.rows(f"SELECT count(*) AS {rows}{counted} FROM new_user_registration")
    for name in optional if row["all rows"] else ():
        if not row[name]:
            yield f"No registration has the field {name}: is its path right?"


def read_twice(files: Sequence[KnownFile]) -> Iterator[str]:
    """Which zip files have a log that is another file, or in another zip file, too."""
    places = {each.content: each.path for each in files if each.content.size}
    for file in files:
        common = [places[each] for each in file.members if places.get(each, file.path) != file.path]
        if common:
            yield (
                f"'{file.path}' has a log that is also in '{common[0]}', so its events count twice:"
                " exclude one of them, with --full-refresh."
            )
        places |= {each: file.path for each in file.members if each.size}


def not_utf_8(engine: Engine) -> tuple[str, ...]:
    """How many rejected lines of this run have bytes that could not be read as text."""
    (row,) = engine.rows(
        "SELECT count(*) AS n FROM new_rejected_events WHERE "
        f"reason = '{Reason.INVALID_JSON}' AND raw LIKE '%\N{REPLACEMENT CHARACTER}%'"
    )
    if not row["n"]:
        return ()
    lines = "1 rejected line is" if row["n"] == 1 else f"{row['n']:,} rejected lines are"
    return (f"{lines} not UTF-8: the log format can say which encoding it is.",)


def _listed(by_reason: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in by_reason.items())


def _examples(engine: Engine) -> str:
    """A few rejected lines. Control characters are replaced when they are printed."""
    rows = engine.rows(
        "SELECT source, line_number, reason, raw FROM new_rejected_events "
        f"ORDER BY source, line_number LIMIT {EXAMPLES}"
    )
    return "; ".join(
        f"{row['source']}, line {row['line_number'] or '?'}, {row['reason']}: "
        + row["raw"][:SHOWN].replace("\n", "\N{REPLACEMENT CHARACTER}")
        + "…" * (len(row["raw"]) > SHOWN)
        for row in rows
    )
