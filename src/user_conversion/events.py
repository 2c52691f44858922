"""What an event is: the data contract of one line, in plain Python.

`read_line` is the reference. Engines read whole files in their own fast ways and must come to
the same answer for every line; `docs/bad-input.md` lists the cases and a test executes them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

REGISTERED = "registered"
APP_LOADED = "app_loaded"

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
CLOCK_TOLERANCE = timedelta(days=1)

INTEGER = re.compile(r"-?[0-9]+")
# ISO-8601, with two liberties that parsers take: blanks around, and no leading zeros.
TIMESTAMP = re.compile(
    r"[ \t\n\v\f\r]*([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[Tt ]([0-9]{1,2}):([0-9]{1,2})"
    r"(?::([0-9]{1,2})(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([+-])([0-9]{2})(?::?([0-9]{2}))?)?[ \t\n\v\f\r]*"
)
LARGEST_OFFSET = timedelta(hours=18)
DIGITS = 1_000

BOM = b"\xef\xbb\xbf"
WHITESPACE = b" \t\r\n\v\f"


class Reason(StrEnum):
    """Why a line is not an event; the first that applies, in this order."""

    INVALID_JSON = "invalid_json"
    MISSING_EVENT = "missing_event"
    MISSING_TIMESTAMP = "missing_timestamp"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    MISSING_INITIATOR_ID = "missing_initiator_id"
    INVALID_INITIATOR_ID = "invalid_initiator_id"


@dataclass(frozen=True)
class Event:
    """One `registered` or `app_loaded` event; `time` is an instant in UTC (microseconds)."""

    event: str
    time: datetime
    initiator_id: int
    fields: dict[str, str | None]


class Other:
    """A line with an event of another name: counted, not kept, not looked at further."""


class Rejected(Exception):  # noqa: N818 - a verdict on a line, not a failure of the run
    """A line that cannot be an event."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_line(line: bytes, latest: datetime) -> Event | Other | None:
    """Read one line of a log; None for a blank one.

    `latest` is the last acceptable instant (`CLOCK_TOLERANCE` after the run began).
    Raises `Rejected` with the reason where the line cannot be an event.
    """
    text = line.removeprefix(BOM).strip(WHITESPACE)
    if not text:
        return None
    fields = _parse_object(text)
    name = as_text(fields.get("event"))
    if not name:
        raise Rejected(Reason.MISSING_EVENT)
    if name not in (REGISTERED, APP_LOADED):
        return Other()
    time = _read_time(fields.get("timestamp"), latest)
    initiator_id = _read_initiator_id(fields.get("initiator_id"))
    return Event(name, time, initiator_id, {key: as_text(value) for key, value in fields.items()})


def as_text(value: Any) -> str | None:
    """A JSON value as a text attribute: strings as they are, others as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def parse_timestamp(text: str) -> datetime | None:
    """The instant that an ISO-8601 timestamp names, None where it names none.

    Without an offset it is UTC; digits beyond microseconds are cut off; second 60 is the first
    second of the next minute, 24:00 the first of the next day.
    """
    match = TIMESTAMP.fullmatch(text)
    if not match:
        return None
    *numbers, fraction, sign, offset_hours, offset_minutes = match.groups("0")
    year, month, day, hour, minute, second = map(int, numbers)
    micros = int(fraction[:6].ljust(6, "0"))
    end_of_day = (hour, minute, second, micros) == (24, 0, 0, 0)
    if (hour > 23 and not end_of_day) or minute > 59 or second > 60 or int(offset_minutes) > 59:
        return None
    offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
    if offset > LARGEST_OFFSET:
        return None
    clock = timedelta(hours=hour, minutes=minute, seconds=second)
    if second < 60:
        clock += timedelta(microseconds=micros)
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None
    try:
        return midnight + clock + offset if sign == "-" else midnight + clock - offset
    except OverflowError:
        return midnight  # in year 1 or 9999, which is out of any range all the same


def _read_time(value: Any, latest: datetime) -> datetime:
    if value is None:
        raise Rejected(Reason.MISSING_TIMESTAMP)
    time = parse_timestamp(value) if isinstance(value, str) else None
    if time is None:
        raise Rejected(Reason.INVALID_TIMESTAMP)
    if not EARLIEST <= time <= latest:
        raise Rejected(Reason.TIMESTAMP_OUT_OF_RANGE)
    return time


def _read_initiator_id(value: Any) -> int:
    if value is None:
        raise Rejected(Reason.MISSING_INITIATOR_ID)
    if isinstance(value, str) and INTEGER.fullmatch(value) and len(value) < DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise Rejected(Reason.INVALID_INITIATOR_ID)
    return value


# DuckDB's JSON parser has no strict mode: it lets a comma before a closing bracket and the
# numbers NaN and Infinity pass. All engines do, so that they agree.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|(?<=[\w\]}"])\s*,(?=\s*[}\]])')
_NON_FINITE = re.compile(r'("(?:[^"\\]|\\.)*")|(?<![\w.])(-?(?:nan|inf(?:inity)?))(?!\w)', re.I)


def _parse_object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8")
        try:
            value = _decode(text)
        except ValueError:
            text = _TRAILING_COMMA.sub(lambda match: match[1] or "", text)
            value = _decode(_NON_FINITE.sub(lambda match: match[1] or f'"{match[2]}"', text))
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise Rejected(Reason.INVALID_JSON) from None
    if not isinstance(value, dict):
        raise Rejected(Reason.INVALID_JSON)
    return value


def _refuse_constant(literal: str) -> Any:
    raise ValueError(literal)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        fields.setdefault(key, value)
    return fields


def _integer(digits: str) -> int | str:
    # int() refuses thousands of digits; no such number is an id, so its text will do.
    return int(digits) if len(digits) < DIGITS else digits


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_integer, object_pairs_hook=_first_wins
)


def _decode(text: str) -> Any:
    return _DECODER.decode(text)
