"""Which log format records are in, which of their events count, and what to try if none does."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from user_conversion.inputs.inspection.fields import Field, fields
from user_conversion.inputs.inspection.samples import Records
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import (
    APP_LOADED,
    CHANNEL,
    DEFAULT,
    DEVICE_TYPE,
    REGISTERED,
    REQUIRED_FIELDS,
    LogFormat,
)
from user_conversion.rules.paths import FieldPath, first_at, parse_path, value_at
from user_conversion.rules.presets import log_format, presets

# Fields that tell a log from those of another tool, which has the same names for the rest.
MARKS = {"rudderstack": ("rudderId", "request_ip")}
# More likely words come first.
REGISTRATIONS = (
    r"(^|[./:])((user|account|member|customer)[\s_.-]?)?regist sign(ed)?[\s_.-]?up regist "
    "account.*creat creat join enrol"
)
LOADS = (
    r"app(lication)?[\s_.-]?load app(lication)?[\s_.-]?open open (?<!down)(?<!up)load launch "
    r"session foreground start log(ged)?[\s_.-]?in view visit"
)
NAMES = {
    "event": "event event_name eventName event_type eventType eventAction type action page",
    "timestamp": "timestamp time event_time event_timestamp occurred_at occurredAt ts datetime "
    "time_stamp created_at received_at timeUnixNano date",
    "initiator_id": "initiator_id user_id userId user.id distinct_id uid customer_id client_id "
    "account_id email",
    CHANNEL: "channel utm_source acquisition_channel campaign_source traffic_source source "
    "utm_medium medium referrer",
    DEVICE_TYPE: "device_type deviceType device.type device_category device platform os os_name",
}
OFTEN, MANY = 0.5, 10
SHOWN = 8
USER = "initiator_id"
# How what is to be filled in begins.
UNKNOWN = ("PATH_OF_", "NAME_OF_")


def known_formats() -> dict[str, LogFormat]:
    """The default and each preset, with placeholders for names of events that are not known."""
    # Of two that fit equally well the first is taken, and Segment's is the common one.
    names = dict.fromkeys((DEFAULT, "segment", *presets()))
    return {name: log_format(name, "\0r", "\0l") for name in names}


def preset_of(records: Records, formats: Mapping[str, LogFormat]) -> str | None:
    """The log format with most of its fields in the records, None if none has all it needs."""
    scores = {
        name: _score(records, each) for name, each in formats.items() if not each.input.columns
    }
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0 else None


def _score(records: Records, log_format: LogFormat) -> float:
    shares = {name: _share(records, paths) for name, paths in log_format.fields.items()}
    # Not every record has a name or a user, but every one has a time.
    if not shares["event"] or not shares["initiator_id"] or shares["timestamp"] < OFTEN:
        return 0.0
    marks = (_share(records, [(mark,)]) for mark in MARKS.get(log_format.name, ()))
    return sum(shares.values()) + sum(marks)


def _share(records: Records, paths: Iterable[FieldPath]) -> float:
    """The share of records in which there is something at one of the paths."""
    found = sum(any(value_at(record, path) is not None for path in paths) for record in records)
    return found / len(records) if records else 0.0


def given_fields(
    name: str | None,
    formats: Mapping[str, LogFormat],
    records: Records,
    found: Sequence[Field],
) -> dict[str, str]:
    """The paths that have to be given beside a log format, or without one."""
    guessed = _guessed_fields(found, records)
    if name is None:
        unknown = {each: f"PATH_OF_{each.upper()}" for each in REQUIRED_FIELDS}
        # A path that is given for the ids makes them text.
        return {
            each: path
            for each, path in {**unknown, **guessed}.items()
            if path != each or each == USER
        }
    own = formats[name].fields
    given = {
        each: guessed[each]
        for each in (CHANNEL, DEVICE_TYPE)
        if each in guessed and not _share(records, own[each])
    }
    users = (record.get(USER) for record in records)
    if name == DEFAULT and any(user and not str(user).isdecimal() for user in users):
        given[USER] = USER
    return given


def _guessed_fields(found: Sequence[Field], records: Records) -> dict[str, str]:
    """Paths for fields, by what such fields are often called, or by their values."""
    guesses: dict[str, str] = {}
    for name, often in NAMES.items():
        free = [
            field.path
            for field in found
            if field.path not in guesses.values()
            and (field.share >= OFTEN or name not in REQUIRED_FIELDS)
            and not (name == USER and _is_constant(field.path, records))
        ]
        if name == "timestamp":
            times = [field.path for field in found if "time" in field.form.split(" such as ")[0]]
            beside = [path for path in free if _folder(path) == _folder(guesses.get("event", ""))]
            guess = _first_named(beside, often.split()) or _only(set(beside) & set(times))
            guess = guess or _first_named(free, often.split()) or _only(set(free) & set(times))
        else:
            guess = _first_named(free, often.split())
        if guess:
            guesses[name] = guess
    return guesses


def _folder(path: str) -> str:
    """The path of the object that a field is in."""
    return path.rpartition(".")[0]


def _only(paths: Collection[str]) -> str | None:
    return next(iter(paths)) if len(paths) == 1 else None


def _is_constant(path: str, records: Records) -> bool:
    """Whether many records have the same value, which is no user then."""
    found = [value_at(record, parse_path(path)) for record in records]
    return len(found) >= MANY and len(set(map(str, found))) == 1


def _first_named(paths: Iterable[str], names: Iterable[str]) -> str | None:
    """The first path that is a name or ends with one; whole paths come first."""
    written = {path: _plain(path) for path in paths}
    wanted = [_plain(name) for name in names]
    exact = [path for name in wanted for path in written if written[path] == name]
    inner = [path for name in wanted for path in written if written[path].endswith(f".{name}")]
    return next(iter([*exact, *inner]), None)


def _plain(path: str) -> str:
    """A path as programmers write it: `User ID` is user_id."""
    return re.sub(r"[\s-]+", "_", path.strip('"')).lower()


def with_fields(paths: Mapping[str, str]) -> LogFormat:
    """A log format with some fields at these paths."""
    fields = {name: ((name,),) for name in REQUIRED_FIELDS}
    return LogFormat(fields=fields | {name: (parse_path(path),) for name, path in paths.items()})


def values(records: Records, log_format: LogFormat, field: str) -> Iterator[Any]:
    """The values of a field that are not null."""
    found = (first_at(record, log_format.fields[field]) for record in records)
    return (value for value in found if value is not None)


def event_names(records: Records, log_format: LogFormat) -> Counter[str]:
    """The numbers of records by the name of their event."""
    names = values(records, log_format, "event")
    return Counter(str(name) for name in names if isinstance(name, str | int))


def likely_names(names: Counter[str]) -> dict[str, str]:
    """The names that the two kinds of event are likely to have, or words in capitals."""
    by_number = [name for name, _ in names.most_common()]
    registered = _likely(by_number, REGISTRATIONS)
    app_loaded = _likely([name for name in by_number if name != registered], LOADS)
    return {
        REGISTERED: registered or "NAME_OF_REGISTRATIONS",
        APP_LOADED: app_loaded or "NAME_OF_APP_LOADS",
    }


def _likely(names: Iterable[str], words: str) -> str | None:
    """The first of the names with the first of the words that any has."""
    patterns = (re.compile(word, re.IGNORECASE) for word in words.split())
    return next((name for word in patterns for name in names if word.search(name)), None)


def event_options(names: Mapping[str, str], preset: str | None = None) -> list[str]:
    """The options that name the two events, but for names that the preset has itself."""
    try:
        own = log_format(preset).events if preset else {}
    except SettingsError:  # it needs names
        own = {}
    options = (
        (f"--{kind.replace('_', '-')}", name)
        for kind, name in names.items()
        if name not in own.get(kind, ())
    )
    return [word for option in options for word in option]


def advice(records: Records, log_format: LogFormat) -> str:
    """One sentence with the options to add, by some of the records."""
    if found := other_preset(records, log_format):
        return found
    names = event_names(records, log_format)
    if {*names} & {*log_format.kind_by_name}:
        return f"{_listed(names)}; see why they are not of this kind: user-conversion inspect."
    if names:
        options = event_options(likely_names(names))
        return f"{_listed(names)}: add {shlex.join(options)}."
    paths = ", ".join(field.path for field in fields(records)[:SHOWN])
    return paths and (
        f"The records have the fields {paths}: say with --field NAME=PATH where the event, the "
        "timestamp and the initiator_id are."
    )


def other_preset(records: Records, log_format: LogFormat) -> str:
    """One sentence with the options to add if another preset fits better; else empty."""
    formats = known_formats()
    preset = preset_of(records, formats)
    if not preset or preset == log_format.name or formats[preset].fields == log_format.fields:
        return ""
    if preset == DEFAULT:
        is_known = log_format.name in formats
        return "The logs have the usual fields: leave out --log-format." if is_known else ""
    names = event_names(records, formats[preset])
    named = event_options(likely_names(names), preset)
    options = shlex.join(["--log-format", preset, *named])
    return f"The logs look like those of {preset}: add {options}."


def names_seen(records: Records, log_format: LogFormat) -> str:
    """The names of events in some records, in a sentence."""
    return _listed(event_names(records, log_format))


def _listed(names: Counter[str]) -> str:
    listed = ", ".join(f"'{name}' ({number:,})" for name, number in names.most_common(SHOWN))
    return f"The logs have the events {listed}"
