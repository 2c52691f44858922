"""What a run says that a person would want to know: one sentence each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from user_conversion.engines import Engine
from user_conversion.inputs.lines import LineFile, chunks
from user_conversion.rules.log_format import CHANNEL, LogFormat
from user_conversion.rules.rejected import Reason

if TYPE_CHECKING:
    from user_conversion.inputs.inspection.samples import Records


def on_first_reading(
    engine: Engine, absent: Sequence[str], log_format: LogFormat, sample: Callable[[], Records]
) -> Iterator[str]:
    """What a log format names and no line has, such as the `absent` names of events."""
    if absent:
        from user_conversion.inputs.inspection.guesses import names_seen

        listed = ", ".join(map(repr, absent))
        yield f"No line has the event {listed}. {names_seen(sample(), log_format)}."
    optional = [name for name in log_format.attributes if name != CHANNEL]
    counted = ", ".join(
        f"count({engine.quoted(name)}) AS {engine.quoted(name)}" for name in optional
    )
    if optional:
        (row,) = engine.rows(f"SELECT count(*) AS n, {counted} FROM new_user_registration")
        for name in optional if row.pop("n") else ():
            if not row[name]:
                yield f"No registration has the field {name}: is its path right?"


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


def alternatives(log_format: LogFormat) -> list[str]:
    """The names of the kinds of events that have several."""
    return [name for names in log_format.events.values() if names[1:] for name in names]


def names_without_lines(names: Sequence[str], files: Iterable[LineFile]) -> list[str]:
    """Those of some names that stand as a JSON text in none of the files."""
    written = {name: {json.dumps(name).encode(), f'"{name}"'.encode()} for name in names}
    overlap = max((len(text) for texts in written.values() for text in texts), default=0)
    for file in files if names else ():
        before = b""
        for chunk in chunks(file):
            text = before + chunk
            for name in [name for name, forms in written.items() if any(f in text for f in forms)]:
                del written[name]
            if not written:
                return []
            before = text[-overlap:]
    return list(written)
