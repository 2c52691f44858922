"""The definition of weekly user conversion in plain Python: the judge of every engine.

Written from the definitions in words and from nothing else: it imports no product code, reads
like the text and takes no care of speed. `read` turns raw lines into events and counts,
`measure` turns events into users, weeks, totals, cohorts and gaps.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from support.finality_oracle import missing_days, touches, utc_day_of_the_last_instant

Definition = Literal["next-week", "same-week", "any-load-next-week", "within-7-days"]
# Those of whole calendar weeks come first.
DEFINITIONS: tuple[Definition, ...] = (
    *("next-week", "same-week", "any-load-next-week", "within-7-days"),
)
BY_CALENDAR = DEFINITIONS[:3]
REGISTERED, APP_LOADED = "registered", "app_loaded"
OTHER, ANONYMOUS, EXCLUDED, BLANK = "other", "anonymous", "excluded", "blank"
# Engines may accept or reject such a line as their parsers do.
UNDECIDED = "undecided"
REASONS = (
    "invalid_json",
    "missing_event",
    "missing_timestamp",
    "invalid_timestamp",
    "timestamp_out_of_range",
    "missing_initiator_id",
    "invalid_initiator_id",
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND, DAY, WEEK = timedelta(microseconds=1), timedelta(days=1), timedelta(weeks=1)
WHITESPACE = b" \t\r"
# Some parsers remove them around an object.
ODD_EDGES = (b"\v", b"\f", b"\xef\xbb\xbf")
TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
    r"(?:\.(?P<fraction>\d+))?"
    r"(?P<offset>Z| UTC|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?)?",
    re.ASCII,
)
LARGEST_OFFSET = timedelta(hours=18)
INTEGER_TEXT = re.compile(r"(-?)0*([0-9]{1,19})")


# ---------------------------------------------------------------- from lines to events

# A pair is the first object in an array in which a member has a text.
JsonPath = tuple[str | int | tuple[str, str], ...]


@dataclass(frozen=True)
class LogFormat:
    """What a log calls its events, and where its fields are.

    If a field has several paths, the first value that is not null is used. Fields with other names
    than those of `DEFAULT` are further attributes of a registration. `where` has, by kind of
    event, the values that must be at some paths (see `meets`); an event with one of the values of
    `exclude` is left out. Times without an offset are local to `timezone`,
    and numbers are too if `local_numbers` is set. `timestamp` is a further form that they may have.
    """

    events: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {REGISTERED: (REGISTERED,), APP_LOADED: (APP_LOADED,)}
    )
    fields: Mapping[str, tuple[JsonPath, ...]] = field(
        default_factory=lambda: {
            name: ((name,),)
            for name in ("event", "timestamp", "initiator_id", "channel", "device_type")
        }
    )
    ids: Literal["integer", "text"] = "integer"
    where: Mapping[str, Mapping[JsonPath, tuple[str, ...]]] = field(default_factory=dict)
    exclude: Mapping[JsonPath, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "UTC"
    timestamp: str | None = None
    local_numbers: bool = False
    unnamed: bool = False
    anonymous: bool = False

    @property
    def attributes(self) -> list[str]:
        """The further attributes of a registration, by name."""
        return sorted({*self.fields} - {*DEFAULT.fields})


DEFAULT = LogFormat()


@dataclass(frozen=True)
class Event:
    """One counted event. A `registered` one has a channel, an `app_loaded` one a device type.

    `extra` holds the further registration attributes, by name.
    """

    kind: str
    time: datetime
    initiator_id: int | str
    channel: str | None = None
    device_type: str | None = None
    extra: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Line:
    """What one line is counted as: a kind of event, why it is none, or `UNDECIDED`."""

    counted_as: str
    event: Event | None = None


class NotAnEventError(Exception):
    """The line cannot be an event; the reason is its only argument."""


class UndecidedError(Exception):
    """The line is outside the contract."""


def split_lines(content: bytes) -> list[bytes]:
    """The lines of a file, between line feeds; the end of the file ends a line too."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def read(
    lines: Iterable[bytes], run_started: datetime, log_format: LogFormat = DEFAULT
) -> tuple[list[Event], Counter[str]]:
    """The events on lines, in order, and the number of lines by what they are counted as."""
    judged = [classify(line, run_started, log_format) for line in lines]
    return [line.event for line in judged if line.event], Counter(
        line.counted_as for line in judged
    )


def classify(line: bytes, run_started: datetime, log_format: LogFormat = DEFAULT) -> Line:
    """What one line is; the first check that fails, in the order of `REASONS`, is the reason."""
    text = line.strip(WHITESPACE)
    if not line.strip():
        return Line(BLANK)
    try:
        record = json_object(text)
        kind = kind_of(record, log_format)
        if kind not in (REGISTERED, APP_LOADED):
            return Line(kind)
        time = timestamp(value_of(record, "timestamp", log_format), run_started, log_format)
        initiator_id = identifier(value_of(record, "initiator_id", log_format), log_format)
        if initiator_id is None:
            return Line(ANONYMOUS)
        return Line(kind, event_of(kind, time, initiator_id, record, log_format))
    except NotAnEventError as rejected:
        return Line(str(rejected))
    except UndecidedError:
        return Line(UNDECIDED)


def json_object(text: bytes) -> dict[str, Any]:
    """The one I-JSON object that a text is; its numbers with a fraction are decimals."""
    if text.startswith(ODD_EDGES) or text.endswith(ODD_EDGES):
        raise UndecidedError
    if not (text.startswith(b"{") and text.endswith(b"}")):
        raise NotAnEventError("invalid_json")  # truncated, no object, or something is beside it
    try:
        value, end = DECODER.raw_decode(text.decode("utf-8"))
        json.dumps(value, ensure_ascii=False, default=str).encode("utf-8")  # no lone surrogate
    except (ValueError, RecursionError):
        raise UndecidedError from None
    if end < len(text.decode("utf-8")):
        raise NotAnEventError("invalid_json")
    return value


def unique_keys(members: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(members)) < len(members):
        raise UndecidedError
    return dict(members)


def undecided(_: object) -> Any:
    raise UndecidedError


class Rounded(Decimal):
    """A number that a 64-bit float does not hold exactly, as it holds it."""


def double(text: str) -> Decimal:
    """A number with a fraction or an exponent, which is a 64-bit float."""
    held = repr(float(text))
    if held == "inf":
        raise UndecidedError
    return Decimal(text) if Decimal(held) == Decimal(text) else Rounded(held)


def integer(text: str) -> int:
    """A number without a fraction; minus zero is a float to some parsers."""
    if text == "-0":
        raise UndecidedError
    return int(text)


DECODER = json.JSONDecoder(
    object_pairs_hook=unique_keys,
    parse_int=integer,
    parse_float=double,
    parse_constant=undecided,
)


def value_of(record: dict[str, Any], name: str, log_format: LogFormat) -> Any:
    """The value of a field; null where none of its paths leads to one."""
    values = (value_at(record, path) for path in log_format.fields[name])
    return next((value for value in values if value is not None), None)


def value_at(value: Any, path: JsonPath) -> Any:
    """The value that a path leads to; null where it leads through anything else."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(step, tuple) and isinstance(value, list):
            key, text = step
            found = [each for each in value if isinstance(each, dict) and key in each]
            found = [each for each in found if text_or_null(each[key]) == text]
            value = found[0] if found else None
        else:
            return None
    return value


def kind_of(record: dict[str, Any], log_format: LogFormat) -> str:
    """The kind of event, or `OTHER`."""
    value = value_of(record, "event", log_format)
    if value in (None, ""):
        if log_format.unnamed:
            return OTHER
        raise NotAnEventError("missing_event")
    for kind, names in log_format.events.items():
        if text_or_null(value) in names:
            conditions = log_format.where.get(kind, {}).items()
            if not all(meets(value_at(record, path), texts) for path, texts in conditions):
                return OTHER
            left_out = log_format.exclude.items()
            if any(meets(value_at(record, path), texts) for path, texts in left_out):
                return EXCLUDED
            return kind
    return OTHER


def meets(value: object, texts: Sequence[str]) -> bool:
    """Whether a value is one of some texts, in which * stands for anything.

    Texts that begin with != are those that it is not; without others, any other value will do.
    """
    unwanted = [text[2:].lstrip() for text in texts if text.startswith("!=")]
    wanted = [text for text in texts if not text.startswith("!=")]

    def is_like_one_of(patterns: Sequence[str]) -> bool:
        text = text_or_null(value)
        return text is not None and any(is_like(text, pattern) for pattern in patterns)

    if not wanted and unwanted:
        return not is_like_one_of(unwanted)
    return is_like_one_of(wanted) and not is_like_one_of(unwanted)


def is_like(text: str, pattern: str) -> bool:
    """Whether a text is what a pattern describes."""
    head, star, rest = pattern.partition("*")
    if not star:
        return text == pattern
    ends = range(len(head), len(text) + 1)
    return text.startswith(head) and any(is_like(text[end:], rest) for end in ends)


def event_of(
    kind: str, time: datetime, initiator_id: int | str, record: Any, log_format: LogFormat
) -> Event:
    def text(name: str) -> str | None:
        return text_or_null(value_of(record, name, log_format))

    if kind == APP_LOADED:
        return Event(kind, time, initiator_id, device_type=text("device_type"))
    extra = tuple(map(text, log_format.attributes))
    return Event(kind, time, initiator_id, channel=text("channel"), extra=extra)


def timestamp(value: object, run_started: datetime, log_format: LogFormat) -> datetime:
    """The instant, in UTC, of a text or number from 1970 until a day after the run began."""
    if value is None:
        raise NotAnEventError("missing_timestamp")
    zone = ZoneInfo(log_format.timezone)
    if log_format.timestamp and (isinstance(value, str) or type(value) is int):
        value = usual_form(str(value), log_format.timestamp) or value
    number_zone = zone if log_format.local_numbers else UTC
    if isinstance(value, Decimal) and value >= 10**18:
        raise UndecidedError  # a float of nanoseconds, of which Java may write another last digit
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        since_epoch = microseconds_of_number(Decimal(value), number_zone)
    elif not isinstance(value, str):
        raise NotAnEventError("invalid_timestamp")
    elif re.fullmatch("[0-9]+", value):
        since_epoch = microseconds_of_number(Decimal(value), number_zone)
    elif match := TIMESTAMP.fullmatch(value):
        since_epoch = microseconds_of_text(match, zone)
    elif any(map(str.isdigit, value)) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise UndecidedError
    else:
        raise NotAnEventError("invalid_timestamp")
    if not 0 <= since_epoch <= (run_started + DAY - EPOCH) // MICROSECOND:
        raise NotAnEventError("timestamp_out_of_range")
    return EPOCH + since_epoch * MICROSECOND


def usual_form(text: str, form: str) -> str | None:
    """A text in a form of `strptime` whose parts have all their digits, in the usual form."""
    try:
        time = datetime.strptime(text, form)
    except ValueError:
        return None
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}" if time.strftime(form) == text else None


def microseconds_of_number(number: Decimal, zone: Any) -> int:
    """Seconds, or thousandths, millionths or billionths of them; the size decides."""
    for unit in (1, 10**3, 10**6, 10**9):
        if 10**9 * unit <= number <= 42 * 10**8 * unit:
            micros = int(number * 10**6 / unit)
            local = (EPOCH + micros * MICROSECOND).replace(tzinfo=zone)
            return micros - (local.utcoffset() or timedelta()) // MICROSECOND
    raise NotAnEventError("invalid_timestamp")


def microseconds_of_text(match: re.Match[str], zone: ZoneInfo) -> int:
    """Counted in whole numbers: an offset may lead out of the years that `datetime` knows."""
    hour, minute, second = (int(match[name]) for name in ("hour", "minute", "second"))
    if hour == 24 or second == 60 or match["day"].startswith("0000"):
        raise UndecidedError
    micros = int((match["fraction"] or "")[:6].ljust(6, "0"))  # further digits are cut
    try:
        local = datetime.fromisoformat(match["day"]).replace(
            hour=hour, minute=minute, second=second, microsecond=micros
        )
    except ValueError:
        raise NotAnEventError("invalid_timestamp") from None
    if not match["offset"]:
        # A time that comes twice is the first one; a skipped one is as if clocks had not moved.
        offset = local.replace(tzinfo=zone).utcoffset() or timedelta()
    else:
        offset = timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
        if offset > LARGEST_OFFSET or int(match["minutes"] or 0) > 59:
            raise UndecidedError
    to_utc = offset if match["sign"] == "-" else -offset
    return (local.replace(tzinfo=UTC) - EPOCH + to_utc) // MICROSECOND


def identifier(value: object, log_format: LogFormat) -> int | str | None:
    """A text, or a signed 64-bit integer from a JSON integer or a string of digits.

    None if there is none and the log format says that this is usual.
    """
    nobody = ["", "null", "NULL", "None", "undefined", "nan", "\\N", str(UUID(int=0))]
    if value is None or value in nobody:
        if log_format.anonymous:
            return None
        raise NotAnEventError("missing_initiator_id")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise NotAnEventError("invalid_initiator_id")
    if log_format.ids == "text":
        # What spreadsheets make of long numbers: 1.23457E+15, in some countries 1,23457E+15.
        if re.fullmatch("-?[0-9]+([.,][0-9]+)?[Ee][+][0-9]+", str(value)):
            raise NotAnEventError("invalid_initiator_id")
        return str(value)
    if isinstance(value, str) and (match := INTEGER_TEXT.fullmatch(value)):
        value = int(match[1] + match[2])
    if isinstance(value, str) or not -(2**63) <= value < 2**63:
        raise NotAnEventError("invalid_initiator_id")
    return value


def text_or_null(value: object) -> str | None:
    """Null and strings as they are, anything else as its compact JSON text.

    How a number with a fraction or a control character in it is written is up to the engine.
    """
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=undecided)
    if "\\u00" in text:
        raise UndecidedError
    return text


# ---------------------------------------------------------------- from events to conversion


@dataclass(frozen=True)
class User:
    """One registered user, measured by the earliest registration."""

    initiator_id: int | str
    registered_at: datetime
    channel: str | None
    extra: tuple[str | None, ...]
    registration_week: str
    week_start: date
    first_loaded_at: datetime | None
    device_type: str | None
    week_offset: int | None
    loaded_next_week: bool
    next_week_loaded_at: datetime | None
    loads_before_registration: int
    converted: bool


@dataclass(frozen=True)
class Week:
    """One registration week; the rate is a whole percent, rounded half up."""

    registration_week: str
    week_start: date
    total_registered: int
    total_converted: int
    conversion_rate: int
    incomplete_because: str | None
    seen_before: int

    @property
    def complete(self) -> bool:
        """No event can change the figures any more."""
        return self.incomplete_because is None


@dataclass(frozen=True)
class Totals:
    """Users counted and users converted."""

    total_registered: int
    total_converted: int


@dataclass(frozen=True)
class Cohort:
    """One registration week: users by the week offset 0..N of their first load.

    A cell is observable, and else None, once its week has ended: when the Sunday of registration
    week + offset is not after *observed through*. N is the largest offset of any user's first
    load, the same for all cohorts. `never` counts the users without a load so far.
    """

    registration_week: str
    total_registered: int
    first_loads: tuple[int | None, ...]
    never: int


@dataclass(frozen=True)
class Gaps:
    """UTC days that were probably not delivered, in each of the three series."""

    no_events: tuple[date, ...]
    no_registered: tuple[date, ...]
    no_app_loaded: tuple[date, ...]


@dataclass(frozen=True)
class Conversion:
    """The whole answer: users by id, weeks and cohorts by week."""

    users: tuple[User, ...]
    weeks: tuple[Week, ...]
    total: Totals
    complete: Totals
    observed_through: date | None
    events_after_as_of: int
    cohorts: tuple[Cohort, ...]
    gaps: Gaps


def measure(
    events: Iterable[Event],
    timezone: str = "UTC",
    definition: Definition = "next-week",
    as_of: date | None = None,
    run_started: datetime = datetime(9999, 1, 1, tzinfo=UTC),
) -> Conversion:
    """Weekly user conversion; events whose local day is after `as_of` are left out and counted."""
    zone = ZoneInfo(timezone)
    given = list(events)
    counted = [event for event in given if as_of is None or local_day(event.time, zone) <= as_of]
    latest = max((event.time for event in counted), default=None)
    # The day of the latest event may have only begun.
    observed_through = as_of or (latest and local_day(latest, zone) - DAY)
    # Nor is the day on which the run began over.
    if observed_through:
        observed_through = min(observed_through, local_day(run_started, zone) - DAY)
    users = registered_users(counted, zone, definition)
    missing = gaps(counted, observed_through, zone)
    weeks = weekly_summary(users, definition, observed_through, missing, zone)
    complete_weeks = {week.registration_week for week in weeks if week.complete}
    return Conversion(
        users=users,
        weeks=weeks,
        total=totals(users),
        complete=totals([user for user in users if user.registration_week in complete_weeks]),
        observed_through=observed_through,
        events_after_as_of=len(given) - len(counted),
        cohorts=cohorts(users, observed_through),
        gaps=missing,
    )


def local_day(time: datetime, zone: ZoneInfo) -> date:
    """The calendar day on which the instant falls in the time zone."""
    return time.astimezone(zone).date()


def monday(day: date) -> date:
    """The first day of the calendar week."""
    return day - day.weekday() * DAY


def sunday(day: date) -> date:
    """The last day of the calendar week."""
    return monday(day) + 6 * DAY


def week_label(day: date) -> str:
    """ISO week-year and week: the first days of January may belong to the year before."""
    iso = day.isocalendar()
    return f"{iso.year}-{iso.week:02d}"


def null_last(value: str | None) -> tuple[bool, str]:
    """Sorts by Unicode code points, null after every text."""
    return value is None, value or ""


def registered_users(
    events: Sequence[Event], zone: ZoneInfo, definition: Definition
) -> tuple[User, ...]:
    """One user for each id that ever registered."""
    own_events: dict[int | str, list[Event]] = {}
    for event in events:
        own_events.setdefault(event.initiator_id, []).append(event)
    ids = sorted({event.initiator_id for event in events if event.kind == REGISTERED})
    return tuple(user(own_events[each], zone, definition) for each in ids)


def user(own_events: Sequence[Event], zone: ZoneInfo, definition: Definition) -> User:
    """The user behind one id's events, at least one of them a registration.

    Of registrations at one instant the smallest channel counts, null last, then likewise the
    further attributes in order; of first loads at one instant the smallest device type.
    """
    registration = min(
        (event for event in own_events if event.kind == REGISTERED),
        key=lambda event: (event.time, *map(null_last, (event.channel, *event.extra))),
    )
    loads = [e for e in own_events if e.kind == APP_LOADED and e.time >= registration.time]
    first = min(loads, key=lambda load: (load.time, null_last(load.device_type)), default=None)
    week_start = monday(local_day(registration.time, zone))

    def offset(load: Event) -> int:
        return (monday(local_day(load.time, zone)) - week_start) // WEEK

    week_offset = None if first is None else offset(first)
    next_week = [load.time for load in loads if offset(load) == 1]
    before = [e for e in own_events if e.kind == APP_LOADED and e.time < registration.time]
    converted = {
        "next-week": week_offset == 1,
        "same-week": week_offset == 0,
        "any-load-next-week": bool(next_week),
        "within-7-days": first is not None and DAY <= first.time - registration.time < 7 * DAY,
    }
    return User(
        initiator_id=registration.initiator_id,
        registered_at=registration.time,
        channel=registration.channel,
        extra=registration.extra,
        registration_week=week_label(week_start),
        week_start=week_start,
        first_loaded_at=None if first is None else first.time,
        device_type=None if first is None else first.device_type,
        week_offset=week_offset,
        loaded_next_week=bool(next_week),
        next_week_loaded_at=min(next_week, default=None),
        loads_before_registration=len(before),
        converted=converted[definition],
    )


def totals(users: Sequence[User]) -> Totals:
    """Users pooled, whatever their weeks."""
    return Totals(len(users), sum(user.converted for user in users))


def whole_percent(part: int, whole: int) -> int:
    """Rounded half up, in whole numbers."""
    return (200 * part + whole) // (2 * whole)


def weekly_summary(
    users: Sequence[User],
    definition: Definition,
    observed_through: date | None,
    missing: Gaps,
    zone: ZoneInfo,
) -> tuple[Week, ...]:
    """One row per week in which anybody registered."""
    weeks = []
    for start in sorted({user.week_start for user in users}):
        count = totals([user for user in users if user.week_start == start])
        last_day = last_day_to_convert(start, definition, zone)
        because = None
        if observed_through is None or last_day > observed_through:
            because = "unfinished"
        elif (
            touches(missing.no_events, start, last_day, zone)
            or touches(missing.no_app_loaded, start, last_day, zone)
            or touches(missing.no_registered, start, sunday(start), zone)
        ):
            because = "missing_days"
        weeks.append(
            Week(
                registration_week=week_label(start),
                week_start=start,
                total_registered=count.total_registered,
                total_converted=count.total_converted,
                conversion_rate=whole_percent(count.total_converted, count.total_registered),
                incomplete_because=because,
                seen_before=sum(
                    user.loads_before_registration > 0 for user in users if user.week_start == start
                ),
            )
        )
    return tuple(weeks)


def last_day_to_convert(week_start: date, definition: Definition, zone: ZoneInfo) -> date:
    """The local day of the last instant at which a user of a week can convert."""
    if definition == "within-7-days":
        noon = datetime(week_start.year, week_start.month, week_start.day, 12, tzinfo=UTC)
        minutes = (noon + 8 * DAY - n * timedelta(minutes=1) for n in range(4 * 24 * 60))
        in_week = (at for at in minutes if local_day(at - MICROSECOND, zone) <= sunday(week_start))
        return local_day(next(in_week) + 7 * DAY - 2 * MICROSECOND, zone)
    return sunday(week_start if definition == "same-week" else week_start + WEEK)


def cohorts(users: Sequence[User], observed_through: date | None) -> tuple[Cohort, ...]:
    """One row per week in which anybody registered."""
    largest = max((u.week_offset for u in users if u.week_offset is not None), default=0)
    rows = []
    for start in sorted({user.week_start for user in users}):
        offsets = Counter(user.week_offset for user in users if user.week_start == start)
        first_loads = tuple(
            offsets[offset]
            if observed_through is not None and sunday(start + offset * WEEK) <= observed_through
            else None
            for offset in range(largest + 1)
        )
        rows.append(Cohort(week_label(start), offsets.total(), first_loads, offsets[None]))
    return tuple(rows)


def gaps(events: Sequence[Event], observed_through: date | None, zone: ZoneInfo) -> Gaps:
    """Days that are missing in the published partitions, hence UTC days."""
    if observed_through is None:
        return Gaps((), (), ())
    until = utc_day_of_the_last_instant(observed_through, zone)
    log = [event.time for event in events]
    return Gaps(
        no_events=missing_days(log, log, until),
        no_registered=missing_days([e.time for e in events if e.kind == REGISTERED], log, until),
        no_app_loaded=missing_days([e.time for e in events if e.kind == APP_LOADED], log, until),
    )
