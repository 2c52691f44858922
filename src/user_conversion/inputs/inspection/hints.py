"""What to try if a log format finds none of its events in the logs."""

from __future__ import annotations

import shlex
from collections import Counter

from user_conversion.inputs.inspection import guesses
from user_conversion.inputs.inspection.fields import fields
from user_conversion.inputs.inspection.samples import Records
from user_conversion.rules.log_format import LogFormat

SHOWN = 8


def advice(records: Records, log_format: LogFormat) -> str:
    """One sentence with the options to add, by some of the records."""
    if found := other_preset(records, log_format):
        return found
    names = guesses.event_names(records, log_format)
    if {*names} & {*log_format.kind_by_name}:
        return f"{_listed(names)}; see why they are not of this kind: user-conversion inspect."
    if names:
        options = guesses.event_options(guesses.likely_names(names))
        return f"{_listed(names)}: add {shlex.join(options)}."
    paths = ", ".join(field.path for field in fields(records)[:SHOWN]) or "none"
    return (
        f"The records have the fields {paths}: say with --field NAME=PATH where the event, the "
        "timestamp and the initiator_id are."
    )


def other_preset(records: Records, log_format: LogFormat) -> str:
    """One sentence with the options to add if another preset fits better; else empty."""
    formats = guesses.known_formats()
    preset = guesses.preset_of(records, formats)
    if not preset or preset == log_format.name or formats[preset].fields == log_format.fields:
        return ""
    names = guesses.event_names(records, formats[preset])
    named = guesses.event_options(guesses.likely_names(names), preset)
    options = shlex.join(["--log-format", preset, *named])
    return f"The logs look like those of {preset}: add {options}."


def names_seen(records: Records, log_format: LogFormat) -> str:
    """The names of events in some records, in a sentence."""
    return _listed(guesses.event_names(records, log_format))


def _listed(names: Counter[str]) -> str:
    listed = ", ".join(f"'{name}' ({number:,})" for name, number in names.most_common(SHOWN))
    return f"The logs have the events {listed}"
