"""Log formats: what the two events are called in a log, and where their fields are.

`docs/reference/log-format.md` is the reference; `presets.log_format` makes a log format of what
the user wrote.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from user_conversion.rules.conditions import Condition, Conditions, recorded
from user_conversion.rules.errors import SettingsError, did_you_mean
from user_conversion.rules.paths import FieldPath, parse_path, path_text

REGISTERED = "registered"
APP_LOADED = "app_loaded"
KINDS = (REGISTERED, APP_LOADED)
# An event that says which user an id became; only if the log format has `[identity]`.
IDENTIFIED = "identified"

# Fields with a meaning of their own; any other field is an attribute of the registration.
BASE_FIELDS = ("event", "timestamp", "initiator_id", "device_type")
REQUIRED_FIELDS = BASE_FIELDS[:3]
# The fields of an identified event.
ANONYMOUS_ID, USER_ID = IDENTITY_FIELDS = ("identity.anonymous_id", "identity.user_id")
CHANNEL = "channel"
DEVICE_TYPE = "device_type"
DEFAULT = "default"
EXCLUDE = "exclude"
UTF_8 = "utf-8"

IdType = Literal["integer", "text"]
Names = str | tuple[str, ...]
T = TypeVar("T")


class ByKind(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """A table of a log format with a value for each of the two kinds of events."""

    registered: T | UnsetType = UNSET
    app_loaded: T | UnsetType = UNSET

    def as_dict(self) -> dict[str, T]:
        """The values that are given, by kind."""
        values = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: value for kind, value in values.items() if value is not UNSET}


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[input]` of a log format: how the events are in a file.

    `timestamp` is a form that timestamps may have besides the usual ones, `encoding` that of text
    files. `records`, `embedded` and `columns` say where the events are in a file that is not one
    JSON object per line. `unnamed` says that records without an event name are other events,
    `anonymous` that events without a user are usual, `local_numbers` that epoch numbers count from
    midnight in `timezone`.
    """

    timezone: str = "UTC"
    timestamp: str | None = None
    encoding: str = UTF_8
    records: str | None = None
    embedded: str | None = None
    columns: tuple[str, ...] | None = None
    unnamed: bool = False
    anonymous: bool = False
    local_numbers: bool = False


class WrittenIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[identity]` of a log format: the events that say which user an id became."""

    events: Names = ()
    files: Names = ()
    anonymous_id: Names = "anonymous_id"
    user_id: Names = "user_id"


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


class WrittenLogFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A log format in a TOML file; paths are text.

    `fields` has `Names`, `where` and `exclude` have a value or several by path. They are checked
    one by one, so that an error can name the key.
    """

    preset: str | None = None
    ids: IdType | None = None
    events: ByKind[Names] = ByKind()
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
    where: ByKind[dict[str, Any]] = ByKind()
    exclude: dict[str, Any] = {}
    identity: WrittenIdentity = WrittenIdentity()
    input: Input = Input()
    files: ByKind[Names] = ByKind()
    warehouse: Warehouse = Warehouse()


class RecordedLogFormat(msgspec.Struct, frozen=True):
    """A log format in `run.json` and the ledger: all that decides how events are read."""

    name: str
    ids: IdType
    events: dict[str, tuple[str, ...]]
    fields: dict[str, tuple[str, ...]]
    where: dict[str, dict[str, tuple[str, ...]]]
    files: dict[str, tuple[str, ...]]
    input: Input
    exclude: dict[str, tuple[str, ...]] = {}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events, in order."""
        return _kinds(self.events)

    def reads_as(self, other: RecordedLogFormat) -> bool:
        """Whether both read every log alike, whatever they are called."""
        return msgspec.structs.replace(self, name=other.name) == other


@dataclass(frozen=True)
class LogFormat:
    """What a log calls the two events, and where their fields are.

    `fields` has, for each field, paths of which the first that is not null counts; its attributes
    are kept with the registration. `where` has, for each kind of event, conditions that must all
    hold; events for which one of `exclude` holds do not count. With `[identity]`, `events` and
    `fields` also have those of the kind `IDENTIFIED`. `files` has, for each kind, patterns
    of the files that hold only it.
    """

    name: str = DEFAULT
    ids: IdType = "integer"
    events: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {kind: (kind,) for kind in KINDS}
    )
    fields: Mapping[str, tuple[FieldPath, ...]] = field(
        default_factory=lambda: {name: ((name,),) for name in (*BASE_FIELDS, CHANNEL)}
    )
    where: Mapping[str, Conditions] = field(default_factory=dict)
    exclude: Conditions = field(default_factory=dict)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    input: Input = field(default_factory=Input)
    warehouse: Warehouse = field(default_factory=Warehouse)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The fields kept with each registration."""
        return attributes_of(self.fields)

    @property
    def id_type(self) -> str:
        """The type of the column initiator_id."""
        return id_type(self.ids)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events, in order."""
        return _kinds(self.events)

    @property
    def kind_by_name(self) -> dict[str, str]:
        """The kind of event (`registered`, `app_loaded`) by the name it has in the log."""
        return {name: kind for kind, names in self.events.items() for name in names}

    @cached_property
    def conditions(self) -> dict[str, list[tuple[FieldPath, Condition]]]:
        """The conditions of `where` by kind of event, and those of `exclude` under that name."""
        written = {**self.where, EXCLUDE: self.exclude}
        return {
            name: [(path, Condition.of(texts)) for path, texts in each.items()]
            for name, each in written.items()
        }

    @property
    def paths(self) -> list[FieldPath]:
        """Every path that is read, of each field and condition."""
        found = [path for paths in self.fields.values() for path in paths]
        return [*found, *(path for each in (*self.where.values(), self.exclude) for path in each)]

    @cached_property
    def records(self) -> FieldPath | None:
        """The path of the array that has the records of a file."""
        return parse_path(self.input.records) if self.input.records else None

    @cached_property
    def embedded(self) -> FieldPath | None:
        """The path of the text that has the record of a line."""
        return parse_path(self.input.embedded) if self.input.embedded else None

    def kind_of_file(self, path: Path) -> str | None:
        """The kind of event that every record of a file is, None if the records say it."""
        for kind, patterns in self.files.items():
            if any(fnmatchcase(path.as_posix(), pattern) for pattern in patterns):
                return kind
        return None

    @property
    def recorded(self) -> RecordedLogFormat:
        """The format for `run.json` and the ledger; equal formats give equal documents."""
        fields = {name: tuple(map(path_text, self.fields[name])) for name in sorted(self.fields)}
        where = {kind: _recorded(conditions) for kind, conditions in self.where.items()}
        return RecordedLogFormat(
            *(self.name, self.ids, dict(self.events), fields, where, dict(self.files), self.input),
            exclude=_recorded(self.exclude),
        )


def _recorded(conditions: Conditions) -> dict[str, tuple[str, ...]]:
    return {path_text(path): recorded(conditions[path]) for path in conditions}


def _kinds(events: Collection[str]) -> tuple[str, ...]:
    return (*KINDS, IDENTIFIED) if IDENTIFIED in events else KINDS


def attributes_of(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields that are kept with each registration: the channel, then the others by name."""
    return (CHANNEL, *sorted({*fields} - {*BASE_FIELDS, *IDENTITY_FIELDS, CHANNEL}))


def id_type(ids: IdType) -> str:
    """The type of the column initiator_id."""
    return "bigint" if ids == "integer" else "string"


def require_field(by: str | None, known: Collection[str]) -> None:
    """Raise `SettingsError` if the answer is to be split by a field that is not known."""
    if by and by not in known:
        raise SettingsError(
            f"--by {by}: the fields are {', '.join(known)}{did_you_mean(by, known)} Another field "
            f"needs --field {by}=PATH when the logs are read."
        )


def needed_fields(log_format: LogFormat, event: str | None = None) -> tuple[str, ...]:
    """The fields without which a file of records has no events.

    `event` is the kind of event that every record of the file is, if the format says so.
    """
    if event == IDENTIFIED:
        return IDENTITY_FIELDS
    has_names = not (event or log_format.input.unnamed)
    return REQUIRED_FIELDS if has_names else REQUIRED_FIELDS[1:]
