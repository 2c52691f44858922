"""The datasets: names, columns and partitions. `places/layout.py` says where they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import KINDS

# Column types in the words of SQL that DuckDB and Spark share; `timestamp` is an instant in UTC.
Columns = dict[str, str]
# The fields of the log format that are kept with each registration.
Attributes = Sequence[str]


@dataclass(frozen=True)
class Dataset:
    """One dataset: its columns without the partition, and the partition column, if any.

    Partitions follow the timestamp column `instant`: all instants of a partition are before those
    of the next one. The rows of a partition are in the order of the column `order`, if any.
    """

    name: str
    columns: Columns
    partition: str | None = None
    instant: str | None = None
    order: str | None = None


def user_registration(attributes: Attributes = ("channel",), ids: str = "bigint") -> Dataset:
    """One row per `registered` event, duplicates included. `ids` is the type of initiator_id."""
    columns = {"event": "string", "time": "timestamp", "initiator_id": ids}
    columns |= dict.fromkeys(attributes, "string")
    return Dataset("user_registration", columns, "derived_tstamp_day", "time")


def app_loaded(ids: str = "bigint") -> Dataset:
    """One row per `app_loaded` event. `ids` is the type of initiator_id."""
    columns = {"event": "string", "time": "timestamp", "initiator_id": ids, "device_type": "string"}
    return Dataset("app_loaded", columns, "derived_tstamp_day", "time")


def user_identity(ids: str = "bigint") -> Dataset:
    """One row per event that says that the user of `initiator_id` is `user_id`.

    `ids` is the type of both. An event without a time is at the start of 1970.
    """
    columns = {"event": "string", "time": "timestamp", "initiator_id": ids, "user_id": ids}
    return Dataset("user_identity", columns, "derived_tstamp_day", "time")


def event_datasets(
    attributes: Attributes, ids: str, kinds: Sequence[str] = KINDS
) -> tuple[Dataset, ...]:
    """The datasets of events by day, one for each of the kinds."""
    return (user_registration(attributes, ids), app_loaded(ids), user_identity(ids))[: len(kinds)]


def user_conversion(attributes: Attributes = ("channel",), ids: str = "bigint") -> Dataset:
    """One row per registered user. `ids` is the type of initiator_id."""
    columns = {"initiator_id": ids, "registered_at": "timestamp"}
    columns |= dict.fromkeys(attributes, "string")
    columns |= {
        "first_loaded_at": "timestamp",
        "device_type": "string",
        "week_offset": "bigint",
        "loaded_next_week": "boolean",
        "next_week_loaded_at": "timestamp",
        "loads_before_registration": "bigint",
        "converted": "boolean",
    }
    return Dataset("user_conversion", columns, "registration_week", "registered_at", "initiator_id")


def users_without_registration(ids: str = "bigint") -> Dataset:
    """Loads of users without a registration; those of a user add up to `loads`. Hidden.

    A partition has what one run added. `ids` is the type of initiator_id.
    """
    return Dataset("_users_without_registration", {"initiator_id": ids, "loads": "bigint"}, "batch")


# One row per registration week in which users registered.
WEEKLY_SUMMARY = Dataset(
    "weekly_summary",
    {"total_registered": "bigint", "total_converted": "bigint", "conversion_rate": "bigint"},
    "registration_week",
)

# One row per rejected line.
REJECTED_EVENTS = Dataset(
    "rejected_events",
    {"source": "string", "line_number": "bigint", "reason": "string", "raw": "string"},
)


def check_attributes(attributes: Attributes) -> None:
    """Raise `SettingsError` for attributes of the registration that cannot be columns."""
    taken = {"timestamp", "format"}
    for dataset in (user_registration(()), app_loaded(), user_conversion(())):
        taken |= {*dataset.columns, str(dataset.partition)}
    for name in attributes:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            raise SettingsError(
                f"'{name}' cannot be a field: use at most 63 of a-z, A-Z, 0-9 and _."
            )
        if name.lower() in taken:
            raise SettingsError(
                f"'{name}' is a column or folder of the datasets; choose another name."
            )
    if len({name.lower() for name in attributes}) < len(attributes):
        raise SettingsError("Two fields have the same name apart from upper and lower case.")
