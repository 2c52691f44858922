"""Log formats: what the two events are called in a log, and where their fields are.

A log format comes from a preset (a TOML file in `log_formats/`), a TOML file of the user, and
options; options override the file, the file overrides its preset. `docs/reference/log-format.md`
is the reference.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.weeks import time_zone

REGISTERED = "registered"
APP_LOADED = "app_loaded"
KINDS = (REGISTERED, APP_LOADED)

# Fields with a meaning of their own; any other field is an attribute of the registration.
BASE_FIELDS = ("event", "timestamp", "initiator_id", "device_type")
REQUIRED_FIELDS = BASE_FIELDS[:3]
CHANNEL = "channel"
DEVICE_TYPE = "device_type"
DEFAULT = "default"

PRESETS = Path(__file__).with_name("log_formats")

# The steps from a record to a value: keys of objects, places in arrays.
FieldPath = tuple[str | int, ...]
Names = str | Sequence[str]

_STEP = re.compile(r'\.?(?:"([^"]+)"|([^."\[\]]+))|\[([0-9]+)\]')


def parse_path(text: str) -> FieldPath:
    """The steps of a path such as `a.b`, `"a.b".c` or `a[0].b`.

    Raises `SettingsError` if the text is no path.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if not match or (match[0].startswith(".") and not steps):
            break
        steps.append(int(match[3]) if match[3] else match[1] or match[2])
        at = match.end()
    if at < len(text) or not steps or isinstance(steps[0], int):
        raise SettingsError(
            f"'{text}' is not a path to a field: write user.id, \"user.id\".name or items[0].id."
        )
    return tuple(steps)


def path_text(path: FieldPath) -> str:
    """A path as it is written in options and TOML files."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f'."{step}"' if _is_quoted(step) else f".{step}"
        for step in path
    )
    return "".join(steps).removeprefix(".")


def _is_quoted(step: str) -> bool:
    return re.search(r'[."\[\]]', step) is not None


class Warehouse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a tool's own loader keeps the events in a warehouse, for `user-conversion sql`.

    `table` is the table's name; with `table_per_event` there is one for each event, named after
    it. `nested` says what nested fields are: JSON, structs, or columns whose names are joined by
    an underscore. `parameters` are columns that hold lists of keys and values. `microseconds`
    says that timestamps are numbers of microseconds since 1970.
    """

    table: str = "events"
    table_per_event: bool = False
    nested: Literal["json", "structs", "columns"] = "json"
    parameters: tuple[str, ...] = ()
    microseconds: bool = False


@dataclass(frozen=True)
class LogFormat:
    """What a log calls the two events, and where their fields are.

    `fields` has, for each field, paths of which the first that is not null counts; its attributes
    are kept with the registration. `where` has, for each kind of event, paths and the values one
    of which must be there. `files` has, for each kind, patterns of the files that hold only it.
    `records`, `embedded` and `columns` say where the events are in a file that is not one JSON
    object per line. `unnamed` says that records without an event name are other events,
    `anonymous` that events without a user are usual, `local_numbers` that epoch numbers count
    from midnight in `timezone`.
    """

    name: str = DEFAULT
    ids: Literal["integer", "text"] = "integer"
    events: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {kind: (kind,) for kind in KINDS}
    )
    fields: Mapping[str, tuple[FieldPath, ...]] = field(
        default_factory=lambda: {name: ((name,),) for name in (*BASE_FIELDS, CHANNEL)}
    )
    where: Mapping[str, Mapping[FieldPath, tuple[str, ...]]] = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "UTC"
    records: FieldPath | None = None
    embedded: FieldPath | None = None
    columns: tuple[str, ...] | None = None
    unnamed: bool = False
    anonymous: bool = False
    local_numbers: bool = False
    warehouse: Warehouse = field(default_factory=Warehouse)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fields kept with each registration."""
        return attributes_of(self.fields)

    @property
    def id_type(self) -> str:
        """The type of the column initiator_id."""
        return "bigint" if self.ids == "integer" else "string"

    @property
    def kind_by_name(self) -> dict[str, str]:
        """The kind of event (`registered`, `app_loaded`) by the name it has in the log."""
        return {name: kind for kind, names in self.events.items() for name in names}

    @property
    def paths(self) -> list[FieldPath]:
        """Every path that is read, each once."""
        found = [path for paths in self.fields.values() for path in paths]
        found += [path for conditions in self.where.values() for path in conditions]
        return list(dict.fromkeys(found))

    def kind_of_file(self, path: Path) -> str | None:
        """The kind of event that every record of a file is, None if the records say it."""
        for kind, patterns in self.files.items():
            if any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns):
                return kind
        return None

    def as_json(self) -> dict[str, Any]:
        """The format for `run.json` and the ledger; equal formats give equal documents."""
        return {
            "name": self.name,
            "ids": self.ids,
            "events": {kind: list(names) for kind, names in self.events.items()},
            "fields": {
                name: [path_text(path) for path in self.fields[name]]
                for name in sorted(self.fields)
            },
            "where": {
                kind: {path_text(path): list(values) for path, values in conditions.items()}
                for kind, conditions in self.where.items()
            },
            "files": {kind: list(patterns) for kind, patterns in self.files.items()},
            "input": {
                "timezone": self.timezone,
                "records": self.records and path_text(self.records),
                "embedded": self.embedded and path_text(self.embedded),
                "columns": self.columns and list(self.columns),
                "unnamed": self.unnamed,
                "anonymous": self.anonymous,
                "local_numbers": self.local_numbers,
            },
        }


def attributes_of(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields that are kept with each registration: the channel, then the others by name."""
    return (CHANNEL, *sorted({*fields} - {*BASE_FIELDS, CHANNEL}))


def needed_fields(log_format: LogFormat, event: str | None = None) -> tuple[str, ...]:
    """The fields without which a file of records has no events.

    `event` is the kind of event that every record of the file is, if the format says so.
    """
    has_names = not (event or log_format.unnamed)
    return REQUIRED_FIELDS if has_names else REQUIRED_FIELDS[1:]


def presets() -> list[str]:
    """The names of the presets, in order."""
    return sorted(file.stem for file in PRESETS.glob("*.toml"))


def log_format(
    source: str | Mapping[str, Any] | None = None,
    registered: Names = (),
    app_loaded: Names = (),
    fields: Mapping[str, Names] | None = None,
) -> LogFormat:
    """The log format of a preset, a TOML file or a table like one, and of options.

    Raises `SettingsError` for an unknown preset or field, a name in both lists, or a preset that
    needs names of events which are not given.
    """
    document: dict[str, Any] = {}
    name = DEFAULT
    if source:
        name, document = _named_document(source)
        _check_shape(name, document)
    options = {
        "events": {
            kind: _texts(names)
            for kind, names in ((REGISTERED, registered), (APP_LOADED, app_loaded))
            if names
        },
        "fields": dict(fields or {}),
    }
    return _from_document(name, _merged(document, options))


def _named_document(source: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(source, Mapping):
        return "[log_format]", _on_preset("[log_format]", dict(source))
    if source == DEFAULT:
        return DEFAULT, {}
    if source in presets():
        return source, _preset(source)
    file = Path(source)
    if not file.suffix and not file.exists():
        raise SettingsError(
            f"Unknown log format '{source}'{did_you_mean(source, presets())} "
            f"Name a TOML file or one of {', '.join(presets())}."
        )
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read log format '{file}': {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"Log format '{file}' is not TOML: {error}.") from None
    return file.name, _on_preset(str(file), document)


def _on_preset(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document merged onto the preset that it names, if any."""
    preset = document.pop("preset", None)
    if preset is None:
        return document
    if preset not in presets():
        known = did_you_mean(str(preset), presets())
        raise SettingsError(f"Log format '{name}': unknown preset '{preset}'{known}")
    return _merged(_preset(preset), document)


def _preset(name: str) -> dict[str, Any]:
    return {"ids": "text"} | tomllib.loads((PRESETS / f"{name}.toml").read_text("utf-8"))


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A document in which the tables of `over` override those of `base` key by key."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = _merged(merged[key], value) if key != "where" else dict(value)
        else:
            merged[key] = value
    return merged


SHAPE: dict[str, set[str] | None] = {
    "ids": None,
    "events": set(KINDS),
    "fields": None,
    "where": set(KINDS),
    "input": {
        *("records", "embedded", "columns", "timezone"),
        *("unnamed", "anonymous", "local_numbers"),
    },
    "files": set(KINDS),
    "warehouse": set(Warehouse.__struct_fields__),
}


def _from_document(name: str, document: Mapping[str, Any]) -> LogFormat:
    events = {kind: (kind,) for kind in KINDS} | {
        kind: _texts(names) for kind, names in document.get("events", {}).items()
    }
    has_path = "initiator_id" in document.get("fields", {})
    ids = document.get("ids", "text" if has_path else "integer")
    if ids not in ("integer", "text"):
        raise SettingsError(f'Log format {name}: ids must be "integer" or "text".')
    _check_events(name, events)
    settings = document.get("input", {})
    zone = settings.get("timezone", "UTC")
    time_zone(zone)
    return LogFormat(
        name=name,
        ids=ids,
        events=events,
        fields=_fields(name, document.get("fields", {})),
        where={
            kind: {parse_path(path): _texts(values) for path, values in conditions.items()}
            for kind, conditions in document.get("where", {}).items()
        },
        files={kind: _texts(names) for kind, names in document.get("files", {}).items()},
        timezone=zone,
        records=_optional_path(settings.get("records")),
        embedded=_optional_path(settings.get("embedded")),
        columns=_texts(settings["columns"]) if "columns" in settings else None,
        unnamed=bool(settings.get("unnamed", False)),
        anonymous=bool(settings.get("anonymous", False)),
        local_numbers=bool(settings.get("local_numbers", False)),
        warehouse=_warehouse(name, document.get("warehouse", {})),
    )


def _warehouse(name: str, table: Mapping[str, Any]) -> Warehouse:
    try:
        return msgspec.convert(table, Warehouse)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Log format {name}, [warehouse]: {error}.") from None


def _check_shape(name: str, document: Mapping[str, Any]) -> None:
    for key, value in document.items():
        if key not in SHAPE:
            raise SettingsError(f"Log format {name}: unknown key '{key}'{did_you_mean(key, SHAPE)}")
        if key == "ids":
            continue
        if not isinstance(value, Mapping):
            raise SettingsError(f"Log format {name}: [{key}] must be a table.")
        known = SHAPE[key]
        for inner in value:
            if known and inner not in known:
                raise SettingsError(
                    f"Log format {name}: unknown key '{inner}' in [{key}]"
                    f"{did_you_mean(inner, known)}"
                )


def _check_events(name: str, events: Mapping[str, tuple[str, ...]]) -> None:
    missing = [kind for kind in KINDS if not events[kind]]
    if missing:
        options = " and ".join(f"--{kind.replace('_', '-')} NAME" for kind in missing)
        raise SettingsError(
            f"Log format {name} does not know what the events are called: add {options}. "
            "user-conversion inspect PATH lists the names in a log."
        )
    both = sorted({*events[REGISTERED]} & {*events[APP_LOADED]})
    if both:
        raise SettingsError(f"'{both[0]}' cannot be both a registered and an app_loaded event.")


def _fields(name: str, given: Mapping[str, Names]) -> dict[str, tuple[FieldPath, ...]]:
    fields: dict[str, tuple[FieldPath, ...]] = {
        field: ((field,),) for field in (*BASE_FIELDS, CHANNEL)
    }
    for field_name, paths in given.items():
        fields[field_name] = tuple(parse_path(path) for path in _texts(paths))
    for required in REQUIRED_FIELDS:
        if not fields[required]:
            raise SettingsError(f"Log format {name}: {required} in [fields] needs a path.")
    return fields


def _optional_path(text: Any) -> FieldPath | None:
    return None if text is None else parse_path(str(text))


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) or not isinstance(value, Iterable) else value
    # A condition on a flag is compared with JSON's true and false.
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the nearest known names, or a full stop if none is near."""
    near = difflib.get_close_matches(name, list(known), 3, 0.5)
    return f"; did you mean {', '.join(near)}?" if near else "."
