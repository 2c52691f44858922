"""Where a log format comes from: a preset, a TOML file or table of the user, and options.

Presets are TOML files in `log_formats/`. Options override the file, the file its preset.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from user_conversion.rules.conditions import texts_of_file
from user_conversion.rules.errors import SettingsError, did_you_mean
from user_conversion.rules.log_format import (
    ANONYMOUS_ID,
    APP_LOADED,
    BASE_FIELDS,
    CHANNEL,
    DEFAULT,
    IDENTIFIED,
    KINDS,
    REGISTERED,
    REQUIRED_FIELDS,
    USER_ID,
    Input,
    LogFormat,
    Names,
    WrittenIdentity,
    WrittenLogFormat,
)
from user_conversion.rules.paths import Element, FieldPath, is_of_folder, parse_path, path_text
from user_conversion.rules.timestamp_forms import TimestampForm
from user_conversion.rules.toml import checked, read_toml
from user_conversion.rules.zones import time_zone

# The name of a log format that is a table of the project file.
TABLE = "[log_format]"
PRESETS = Path(__file__).with_name("log_formats")
Value = str | bool | int | float


class Lines(msgspec.Struct, forbid_unknown_fields=True):
    """The values of a condition that are the lines of a file."""

    file: str


def presets() -> list[str]:
    """The names of the presets, in order."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


def log_format(
    spec: str | Mapping[str, Any] | None = None,
    registered: str | Sequence[str] = (),
    app_loaded: str | Sequence[str] = (),
    fields: Mapping[str, str | Sequence[str]] | None = None,
) -> LogFormat:
    """The log format of a preset, a TOML file or a table like one, and of options.

    Raises `SettingsError` for an unknown preset or key, a value of another type, a name in both
    lists, or a preset that needs names of events which are not given.
    """
    name, document = _source(spec)
    given = ((REGISTERED, registered), (APP_LOADED, app_loaded))
    options = {
        "events": {kind: _texts(names) for kind, names in given if names},
        "fields": dict(fields or {}),
    }
    return _log_format(name, _merged(document, options))


def _source(spec: str | Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    """The name of a log format, and its document merged with that of its preset."""
    if spec is None or spec == DEFAULT:
        return DEFAULT, {}
    if isinstance(spec, str) and spec in presets():
        return spec, _preset(spec)
    name, document = (TABLE, spec) if isinstance(spec, Mapping) else _file(Path(spec))
    written = checked(document, WrittenLogFormat, _title(name))
    if written.preset is None:
        return name, document
    if written.preset not in presets():
        near = did_you_mean(written.preset, presets())
        raise SettingsError(f"{_title(name)}: unknown preset {written.preset!r}{near}")
    own = {key: value for key, value in document.items() if key != "preset"}
    merged = _merged(_preset(written.preset), own)
    return written.preset if name == TABLE else name, merged


def _title(name: str) -> str:
    return f"Log format {name}"


def _file(file: Path) -> tuple[str, dict[str, Any]]:
    if not file.suffix and not file.exists():
        raise SettingsError(
            f"Unknown log format '{file}'{did_you_mean(str(file), presets())} "
            f"Name a TOML file or one of {', '.join(presets())}."
        )
    return file.name, read_toml(file)


def _preset(name: str) -> dict[str, Any]:
    return {"ids": "text"} | read_toml(PRESETS / f"{name}.toml")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A document in which the tables of `over` override those of `base` key by key."""
    merged = dict(base)
    for key, value in over.items():
        is_table = isinstance(value, Mapping) and key not in ("where", "exclude")
        merged[key] = {**merged.get(key, {}), **value} if is_table else value
    return merged


def _log_format(name: str, merged: Mapping[str, Any]) -> LogFormat:
    source = _title(name)
    document = checked(merged, WrittenLogFormat, source)
    named = document.events.as_dict()
    events = {kind: _texts(named.get(kind, kind)) for kind in KINDS}
    fields = _fields(source, document.fields)
    files = {kind: _texts(names) for kind, names in document.files.as_dict().items()}
    if (identity := document.identity) != WrittenIdentity():
        events[IDENTIFIED], files[IDENTIFIED] = _texts(identity.events), _texts(identity.files)
        fields |= _identity_fields(source, identity)
    _check_events(source, events)
    return LogFormat(
        name=name,
        ids=document.ids or ("text" if "initiator_id" in document.fields else "integer"),
        events=events,
        fields=fields,
        where={
            kind: _conditions(conditions, source, f"where.{kind}")
            for kind, conditions in document.where.as_dict().items()
        },
        exclude=_conditions(document.exclude, source, "exclude"),
        files=files,
        input=_input(document.input, source),
        warehouse=document.warehouse,
    )


def _check_events(source: str, events: Mapping[str, tuple[str, ...]]) -> None:
    missing = [kind for kind in KINDS if not events[kind]]
    if missing:
        options = " and ".join(f"--{kind.replace('_', '-')} NAME" for kind in missing)
        raise SettingsError(
            f"{source} does not know what the events are called: add {options}. "
            "user-conversion inspect PATH lists the names in a log."
        )
    for one, other in combinations(events, 2):
        if both := sorted({*events[one]} & {*events[other]}):
            raise SettingsError(f"{both[0]!r} cannot be the event of both {one} and {other}.")


def _fields(source: str, given: Mapping[str, Any]) -> dict[str, tuple[FieldPath, ...]]:
    fields: dict[str, tuple[FieldPath, ...]] = {
        name: ((name,),) for name in (*BASE_FIELDS, CHANNEL)
    }
    for name, value in given.items():
        paths = _texts(checked(value, Names, source, f"fields.{name}"))
        fields[name] = tuple(map(parse_path, paths))
    for required in REQUIRED_FIELDS:
        if not fields[required]:
            raise SettingsError(f"{source}: fields.{required} needs a path.")
        if any(map(is_of_folder, fields[required])):
            raise SettingsError(f"{source}: fields.{required} is of each record, not of a folder.")
    return fields


def _identity_fields(source: str, identity: WrittenIdentity) -> dict[str, tuple[FieldPath, ...]]:
    given = {ANONYMOUS_ID: identity.anonymous_id, USER_ID: identity.user_id}
    fields = {name: tuple(map(parse_path, _texts(paths))) for name, paths in given.items()}
    if not (identity.events or identity.files) or not all(fields.values()):
        raise SettingsError(
            f"{source}: identity needs events or files, and paths of anonymous_id and user_id."
        )
    return fields


def _conditions(
    given: Mapping[str, Any], source: str, place: str
) -> dict[FieldPath, tuple[str, ...]]:
    """The texts by path, as JSON's text: a flag is compared with true and false."""
    conditions = {}
    for path, value in given.items():
        wanted = Lines if isinstance(value, Mapping) else Value | tuple[Value, ...]
        values = checked(value, wanted, source, f"{place}.{path}")
        if isinstance(values, Lines):
            values = texts_of_file(Path(values.file))
        each = values if isinstance(values, tuple) else (values,)
        conditions[parse_path(path)] = tuple(
            str(one).lower() if isinstance(one, bool) else str(one) for one in each
        )
    return conditions


def _input(given: Input, source: str) -> Input:
    """What was written, checked; what means the same is the same."""
    time_zone(given.timezone)
    if given.timestamp is not None:
        TimestampForm.of(given.timestamp)
    return msgspec.structs.replace(
        given,
        encoding=_encoding(given.encoding, source),
        records=_usual(given.records),
        embedded=_usual(given.embedded),
    )


def _encoding(name: str, source: str) -> str:
    try:
        codec = codecs.lookup(name)
        "".encode(name)  # some codecs are not of text
    except (LookupError, ValueError):
        raise SettingsError(
            f"{source}: input.encoding: unknown encoding {name!r}; utf-8, latin-1, cp1252 and "
            "utf-16 are some that exist."
        ) from None
    return codec.name


def _usual(path: str | None) -> str | None:
    steps = () if path is None else parse_path(path)
    if any(isinstance(step, Element) for step in steps):
        raise SettingsError(f"{path!r} is not a path to a field: it leads to one of many.")
    return path_text(steps) or None


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
