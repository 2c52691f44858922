"""What an event is: the rules for one line of a log, in plain Python.

`read_line` is the reference. Engines read files in their own fast ways; `docs/bad-input.md` says
where they must agree with it, and tests hold them to that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from user_conversion.rules.counts import Skipped
from user_conversion.rules.log_format import (
    ANONYMOUS_ID,
    EXCLUDE,
    IDENTIFIED,
    USER_ID,
    LogFormat,
)
from user_conversion.rules.paths import as_text, first_at, value_at
from user_conversion.rules.rejected import Reason, Rejected
from user_conversion.rules.timestamp_forms import TimestampForm
from user_conversion.rules.zones import time_zone

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
# The time of an identified event that has none.
NO_TIME = "1970-01-01T00:00:00Z"
MICROSECOND = timedelta(microseconds=1)
CLOCK_TOLERANCE = timedelta(days=1)

# Python refuses to convert texts of more than 4,300 digits.
INTEGER = re.compile(r"-?[0-9]{1,999}")
# RFC 3339, but a space may stand for the T, the offset may lack its colon or minutes, and
# without one the time is local to the log format's zone. Engines use the same pattern.
LOCAL_TIMESTAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]+)?"
TIMESTAMP = LOCAL_TIMESTAMP + r"(Z| UTC|[+-](?:0[0-9]|1[0-7])(?::?[0-5][0-9])?|[+-]18(?::?00)?)?"
# A number of seconds, milliseconds, microseconds or nanoseconds since 1970, told by its size.
EPOCH_NUMBER = r"[0-9]+(\.[0-9]+)?([eE][+]?[0-9]{1,2})?"
# The first second is in September 2001: smaller numbers are the counts of other systems.
SMALLEST_EPOCH, LARGEST_EPOCH = 1_000_000_000, 4_200_000_000
EPOCH_UNITS = (1, 10**3, 10**6, 10**9)

# Texts that programs write as the id of nobody.
NO_ID = (
    *("", "null", "NULL", "None", "undefined", "nan", "\\N"),
    "00000000-0000-0000-0000-000000000000",
)
# A rounded number, as spreadsheets write long ids.
ROUNDED_ID = r"-?[0-9]+([.,][0-9]+)?[eE][+][0-9]+"

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHITESPACE = b" \t\r\n\v\f"


@dataclass(frozen=True)
class Event:
    """One event of a kind; `time` is an instant in UTC (microseconds).

    `fields` has the device type and the attributes by name, None where there is none; the user_id
    of an identified event.
    """

    event: str
    time: datetime
    initiator_id: int | str
    fields: Mapping[str, int | str | None]


def read_line(
    line: bytes,
    log_format: LogFormat,
    latest: datetime,
    kind: str | None = None,
    folders: Mapping[str, str | None] | None = None,
) -> Event | Skipped:
    """The event on one line, or why the line is skipped.

    `latest` is the last acceptable instant (`CLOCK_TOLERANCE` after the run began). `kind` is the
    kind of event that every line of the file is, if the log format says so, `folders` what
    `folder_values` returns for the file. Raises `Rejected`.
    """
    text = line.removeprefix(BYTE_ORDER_MARK).strip(WHITESPACE)
    if not text:
        return Skipped.BLANK
    record = {**_parse_object(text), **(folders or {})}
    kind = kind or _kind(record, log_format)
    if kind is None or not all(_holding(record, log_format, kind)):
        return Skipped.OTHER
    if any(_holding(record, log_format, EXCLUDE)):
        return Skipped.EXCLUDED
    read_id: Callable[[Any], int | str] = _integer_id if log_format.ids == "integer" else _text_id
    value = first_at(record, log_format.fields["timestamp"])
    if kind == IDENTIFIED:
        ids = [first_at(record, log_format.fields[name]) for name in (ANONYMOUS_ID, USER_ID)]
        if any(each is None or each in NO_ID for each in ids):
            return Skipped.OTHER
        value = NO_TIME if value is None else value
    time = _read_time(value, log_format, latest)
    if kind == IDENTIFIED:
        return Event(kind, time, read_id(ids[0]), {"user_id": read_id(ids[1])})
    initiator_id = first_at(record, log_format.fields["initiator_id"])
    if initiator_id is None or initiator_id in NO_ID:
        if log_format.input.anonymous:
            return Skipped.ANONYMOUS
        raise Rejected(Reason.MISSING_INITIATOR_ID)
    fields = {
        name: as_text(first_at(record, log_format.fields[name]))
        for name in (*log_format.attributes, "device_type")
    }
    return Event(kind, time, read_id(initiator_id), fields)


def parse_timestamp(text: str, zone: tzinfo | None = None) -> datetime | None:
    """The instant of a timestamp in the form `TIMESTAMP`, None if it has another.

    Without an offset it is local to `zone`, by default UTC. Digits beyond microseconds are cut.
    Instants that are outside of the years 1 to 9999 in UTC become the first or last of them.
    """
    match = re.fullmatch(TIMESTAMP, text)
    if not match:
        return None
    try:
        time = datetime.fromisoformat(text.replace(" UTC", "Z"))
    except ValueError:
        return None
    try:
        return (time if match[2] else time.replace(tzinfo=zone or UTC)).astimezone(UTC)
    except OverflowError:
        return (datetime.min if time.year == 1 else datetime.max).replace(tzinfo=UTC)


def parse_epoch(number: Decimal, zone: tzinfo | None = None) -> datetime | None:
    """The instant of a number of seconds, milli-, micro- or nanoseconds, told by its size.

    With a `zone` it counts from midnight there, not in UTC. None if the size is of no unit.
    """
    for unit in EPOCH_UNITS:
        if SMALLEST_EPOCH * unit <= number <= LARGEST_EPOCH * unit:
            time = EARLIEST + timedelta(microseconds=int(number * 10**6 / unit))
            return time.replace(tzinfo=zone).astimezone(UTC) if zone else time
    return None


def _kind(record: dict[str, Any], log_format: LogFormat) -> str | None:
    """The kind of event that a record names, None for another event."""
    name = as_text(first_at(record, log_format.fields["event"]))
    if not name and not log_format.input.unnamed:
        raise Rejected(Reason.MISSING_EVENT)
    return log_format.kind_by_name.get(name or "")


def _holding(record: dict[str, Any], log_format: LogFormat, name: str) -> Iterator[bool]:
    """Whether each of the conditions for a kind of event, or of `EXCLUDE`, holds."""
    for path, condition in log_format.conditions.get(name, ()):
        yield condition.holds(as_text(value_at(record, path)))


def _read_time(value: Any, log_format: LogFormat, latest: datetime) -> datetime:
    if value is None:
        raise Rejected(Reason.MISSING_TIMESTAMP)
    zone = time_zone(log_format.input.timezone) if log_format.input.timezone != "UTC" else None
    time = None
    if log_format.input.timestamp and isinstance(value, str | int):
        value = TimestampForm.of(log_format.input.timestamp).rewritten(str(value))
    if isinstance(value, str):
        time = parse_timestamp(value, zone)
    if time is None and not isinstance(value, bool) and re.fullmatch(EPOCH_NUMBER, str(value)):
        time = parse_epoch(Decimal(str(value)), zone if log_format.input.local_numbers else None)
    if time is None:
        raise Rejected(Reason.INVALID_TIMESTAMP)
    if not EARLIEST <= time <= latest:
        raise Rejected(Reason.TIMESTAMP_OUT_OF_RANGE)
    return time


def _integer_id(value: Any) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise Rejected(Reason.INVALID_INITIATOR_ID)
    return value


def _text_id(value: Any) -> str:
    text = str(value)
    is_id = isinstance(value, str | int) and not isinstance(value, bool)
    if not is_id or re.fullmatch(ROUNDED_ID, text):
        raise Rejected(Reason.INVALID_INITIATOR_ID)
    return text


def _parse_object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
        value = json.loads(text)
        if "\\u" in text:  # a lone surrogate cannot be written as UTF-8
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Rejected(Reason.INVALID_JSON) from None
    if not isinstance(value, dict):
        raise Rejected(Reason.INVALID_JSON)
    return value
