"""Which log format records are in, and which of their events are the two that count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from user_conversion.inputs.inspection.fields import Field
from user_conversion.inputs.inspection.samples import Records
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.events import value_at
from user_conversion.rules.log_format import (
    DEFAULT,
    REQUIRED_FIELDS,
    FieldPath,
    LogFormat,
    log_format,
    parse_path,
    presets,
)

# Fields that other tools with the same names for the rest do not write.
MARKS = {
    "rudderstack": ("rudderId", "request_ip"),
    "cloudevents": ("specversion",),
    "amplitude": ("amplitude_id",),
    "ga4": ("user_pseudo_id",),
}
# More likely words come first.
REGISTRATIONS = ("regist", r"sign(ed)?[ _.-]?up", "account.*creat", "creat", "join", "enrol")
LOADS = (
    "app.*load",
    "app.*open",
    "open",
    "load",
    "launch",
    "session",
    "foreground",
    "start",
    "log(ged)?[ _.-]?in",
    "view",
    "visit",
)
NAMES = {
    "event": (
        *("event", "event_name", "eventName", "event_type", "eventType", "eventAction"),
        *("type", "action", "page"),
    ),
    "timestamp": (
        *("timestamp", "time", "event_time", "event_timestamp", "ts", "datetime", "time_stamp"),
        *("created_at", "received_at", "timeUnixNano", "date"),
    ),
    "initiator_id": (
        *("initiator_id", "user_id", "userId", "user.id", "distinct_id", "uid", "customer_id"),
        *("client_id", "account_id", "email"),
    ),
}
OFTEN = 0.5


def known_formats() -> dict[str, LogFormat]:
    """The default and each preset, with placeholders for names of events that are not known."""
    # Of two that fit equally well the first is taken, and Segment's is the common one.
    names = dict.fromkeys((DEFAULT, "segment", *presets()))
    return {name: log_format(name, "\0r", "\0l") for name in names}


def own_names(name: str | None) -> Mapping[str, tuple[str, ...]]:
    """The names that a preset has for the two events; none if they have to be given."""
    try:
        return log_format(name).events if name else {}
    except SettingsError:
        return {}


def preset_of(records: Records, formats: Mapping[str, LogFormat]) -> str | None:
    """The log format with most of its fields in the records, None if none has all it needs."""
    scores = {name: _score(records, each, MARKS.get(name, ())) for name, each in formats.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else None


def _score(records: Records, log_format: LogFormat, marks: Iterable[str]) -> float:
    shares = {name: share(records, paths) for name, paths in log_format.fields.items()}
    # Not every record has a name or a user, but every one has a time.
    if not shares["event"] or not shares["initiator_id"] or shares["timestamp"] < OFTEN:
        return 0.0
    return sum(shares.values()) + sum(share(records, [(mark,)]) for mark in marks)


def share(records: Records, paths: Iterable[FieldPath]) -> float:
    """The share of records in which there is something at one of the paths."""
    found = sum(1 for record in records if first_at(record, paths) is not None)
    return found / len(records) if records else 0.0


def first_at(record: Any, paths: Iterable[FieldPath]) -> Any:
    """The first value that is not null at one of the paths."""
    values = (value_at(record, path) for path in paths)
    return next((value for value in values if value is not None), None)


def guessed_fields(found: Iterable[Field]) -> dict[str, str]:
    """Paths for the needed fields, by what such fields are often called, or by their values."""
    often = [field for field in found if field.share >= OFTEN]
    paths = [field.path for field in often]
    guesses: dict[str, str] = {}
    for name in REQUIRED_FIELDS:
        free = [path for path in paths if path not in guesses.values()]
        guess = _first_named(free, NAMES[name])
        if guess:
            guesses[name] = guess
    times = [field.path for field in often if "time" in field.form.split(" such as ")[0]]
    if "timestamp" not in guesses and len(times) == 1:
        guesses["timestamp"] = times[0]
    return guesses


def _first_named(paths: Iterable[str], names: Iterable[str]) -> str | None:
    """The first path that is a name or ends with one; whole paths come first."""
    exact = [path for name in names for path in paths if path == name]
    inner = [path for name in names for path in paths if path.endswith(f".{name}")]
    return next(iter([*exact, *inner]), None)


def event_names(records: Records, paths: Iterable[FieldPath]) -> Counter[str]:
    """The numbers of records by the name of their event."""
    names = (first_at(record, paths) for record in records)
    return Counter(str(name) for name in names if isinstance(name, str | int))


def likely_names(names: Counter[str]) -> tuple[str | None, str | None]:
    """The names that registrations and app loads are likely to have, None if none is."""
    by_number = [name for name, _ in names.most_common()]
    registered = _likely(by_number, REGISTRATIONS)
    others = [name for name in by_number if name != registered]
    return registered, _likely(others, LOADS)


def _likely(names: Iterable[str], words: Iterable[str]) -> str | None:
    """The first of the names with the first of the words that any has."""
    patterns = (re.compile(word, re.IGNORECASE) for word in words)
    return next((name for word in patterns for name in names if word.search(name)), None)


def paths_of(fields: Mapping[str, str]) -> dict[str, tuple[FieldPath, ...]]:
    """Paths as text as paths."""
    return {name: (parse_path(path),) for name, path in fields.items()}
