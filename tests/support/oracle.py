"""The definition of weekly user conversion in plain Python: the judge of every engine.

Written from the definitions in words and from nothing else: it imports no product code, reads
like the text and takes no care of speed. `read` turns raw lines into events and counts,
`measure` turns events into users, weeks, totals, cohorts and gaps.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from support.finality_oracle import missing_days, touches, utc_day_of_the_last_instant

Definition = Literal["next-week", "same-week", "any-load-next-week"]
DEFINITIONS: tuple[Definition, ...] = ("next-week", "same-week", "any-load-next-week")
REGISTERED, APP_LOADED, OTHER, BLANK = "registered", "app_loaded", "other", "blank"
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
WHITESPACE = b" \t\r\n\v\f"
LARGEST_OFFSET = timedelta(hours=18)
TIMESTAMP = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d)"
    r":(?P<second>\d\d)(?:\.(?P<fraction>\d+))?"
    r"(?:Z| UTC|(?P<sign>[+-])(?P<offset_hours>\d\d)(?::?(?P<offset_minutes>\d\d))?)?",
    re.ASCII,
)
# Numbers count seconds, or a thousand, a million or a billion times as many smaller units.
NUMBER = re.compile(r"\d+(\.\d+)?([eE]\+?\d+)?", re.ASCII)
EPOCH_SECONDS = (10**8, 42 * 10**8)
INTEGER_TEXT = re.compile(r"(-?)0*([0-9]{1,19})")


# ---------------------------------------------------------------- from lines to events


@dataclass(frozen=True)
class Event:
    """One counted event. A `registered` one has a channel, an `app_loaded` one a device type.

    `extra` holds the further registration attributes that were asked for, in that order.
    """

    kind: str
    time: datetime
    initiator_id: int
    channel: str | None = None
    device_type: str | None = None
    extra: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class Line:
    """What one line is counted as: a kind of event, `other`, `blank`, or a rejection reason."""

    counted_as: str
    event: Event | None = None


@dataclass(frozen=True)
class Counts:
    """lines = registered + app_loaded + other + blank + rejected."""

    lines: int
    registered: int
    app_loaded: int
    other: int
    blank: int
    rejected: int
    rejected_by_reason: dict[str, int]


@dataclass(frozen=True)
class Ingest:
    """Every line with what became of it, the events among them in line order, and the counts."""

    lines: tuple[Line, ...]
    events: tuple[Event, ...]
    counts: Counts


class NotAnEventError(Exception):
    """The line cannot be an event; the reason is its only argument."""


class JsonObject(list[tuple[str, object]]):
    """A JSON object as its members in order, repeated keys included."""

    def member(self, key: str) -> object:
        """The value of the first member with exactly this key, None without one."""
        return next((value for name, value in self if name == key), None)


def split_lines(content: bytes) -> list[bytes]:
    """The lines of a file: what stands between line feeds; the end of the file ends a line too."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def read(lines: Iterable[bytes], run_started: datetime, attributes: Sequence[str] = ()) -> Ingest:
    """Classify every line. `attributes` names further event fields kept with a registration."""
    read_lines = tuple(classify(line, run_started, attributes) for line in lines)
    count = Counter(line.counted_as for line in read_lines)
    by_reason = {reason: count[reason] for reason in REASONS if count[reason]}
    counts = Counts(
        lines=len(read_lines),
        registered=count[REGISTERED],
        app_loaded=count[APP_LOADED],
        other=count[OTHER],
        blank=count[BLANK],
        rejected=sum(by_reason.values()),
        rejected_by_reason=by_reason,
    )
    return Ingest(read_lines, tuple(line.event for line in read_lines if line.event), counts)


def classify(line: bytes, run_started: datetime, attributes: Sequence[str] = ()) -> Line:
    """What one line is; the first check that fails, in the order of `REASONS`, is the reason."""
    text = line.strip(WHITESPACE)
    if not text:
        return Line(BLANK)
    try:
        members = json_object(text)
        kind = members.member("event")
        if kind is None or kind == "":
            raise NotAnEventError("missing_event")
        if kind not in (REGISTERED, APP_LOADED):
            return Line(OTHER)
        time = timestamp(members.member("timestamp"), run_started)
        initiator_id = identifier(members.member("initiator_id"))
    except NotAnEventError as rejected:
        return Line(str(rejected))
    if kind == APP_LOADED:
        device_type = text_or_null(members.member("device_type"))
        return Line(APP_LOADED, Event(APP_LOADED, time, initiator_id, device_type=device_type))
    channel, *extra = (text_or_null(members.member(name)) for name in ("channel", *attributes))
    return Line(REGISTERED, Event(REGISTERED, time, initiator_id, channel, extra=tuple(extra)))


def json_object(line: bytes) -> JsonObject:
    """The one JSON object on the line."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=JsonObject, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise NotAnEventError("invalid_json") from None
    if not isinstance(value, JsonObject):
        raise NotAnEventError("invalid_json")
    return value


def timestamp(value: object, run_started: datetime) -> datetime:
    """The instant, in UTC, of an ISO 8601 text from 1970 until a day after the run began."""
    if value is None:
        raise NotAnEventError("missing_timestamp")
    try:
        since_epoch = microseconds_since_epoch(value)
    except ValueError:
        raise NotAnEventError("invalid_timestamp") from None
    if not 0 <= since_epoch <= (run_started + DAY - EPOCH) // MICROSECOND:
        raise NotAnEventError("timestamp_out_of_range")
    return EPOCH + since_epoch * MICROSECOND


def microseconds_since_epoch(value: object) -> int:
    """Of a timestamp as text, or of a number. Raises ValueError if the value is neither."""
    if isinstance(value, str) and (match := TIMESTAMP.fullmatch(value)):
        return microseconds_of_text(match)
    if isinstance(value, str | int | Decimal) and NUMBER.fullmatch(str(value)):
        return microseconds_of_number(Decimal(value))
    raise ValueError("not a timestamp")


def microseconds_of_number(number: Decimal) -> int:
    """The unit is that in which the number lies between 1973 and 2103."""
    for unit in (1, 10**3, 10**6, 10**9):
        if EPOCH_SECONDS[0] * unit <= number <= EPOCH_SECONDS[1] * unit:
            return int(number * 10**6 // unit)
    raise ValueError("of no unit")


def microseconds_of_text(match: re.Match[str]) -> int:
    """Counted in whole numbers: an offset may lead out of the years that `datetime` knows."""
    year, month, day, hour, minute, second, offset_hours, offset_minutes = (
        int(match[name] or 0)
        for name in (
            *("year", "month", "day", "hour", "minute", "second"),
            *("offset_hours", "offset_minutes"),
        )
    )
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))  # further digits are cut
    offset = timedelta(hours=offset_hours, minutes=offset_minutes)
    if hour > 23 or minute > 59 or second > 59 or offset_minutes > 59 or offset > LARGEST_OFFSET:
        raise ValueError("impossible time")
    days = date(year, month, day).toordinal() - EPOCH.toordinal()  # ValueError if impossible
    clock = timedelta(hours=hour, minutes=minute, seconds=second) + microsecond * MICROSECOND
    to_utc = offset if match["sign"] == "-" else -offset
    return days * (DAY // MICROSECOND) + (clock + to_utc) // MICROSECOND


def identifier(value: object) -> int:
    """A signed 64-bit integer, from a JSON integer or from a string of digits."""
    if value is None:
        raise NotAnEventError("missing_initiator_id")
    if isinstance(value, str) and (match := INTEGER_TEXT.fullmatch(value)):
        value = int(match[1] + match[2])
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise NotAnEventError("invalid_initiator_id")
    return value


def text_or_null(value: object) -> str | None:
    """Null and strings as they are, anything else as its compact JSON text."""
    return value if value is None or isinstance(value, str) else compact_json(value)


def compact_json(value: object) -> str:
    """JSON without whitespace; numbers with a fraction or exponent as their shortest decimal."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, JsonObject):
        members = (f"{compact_json(key)}:{compact_json(member)}" for key, member in value)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


# ---------------------------------------------------------------- from events to conversion


@dataclass(frozen=True)
class User:
    """One registered user, measured by the earliest registration."""

    initiator_id: int
    registered_at: datetime
    channel: str | None
    extra: tuple[str | None, ...]
    registration_week: str
    week_start: date
    first_loaded_at: datetime | None
    device_type: str | None
    week_offset: int | None
    loaded_next_week: bool
    converted: bool
    seen_before: bool


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
) -> Conversion:
    """Weekly user conversion; events whose local day is after `as_of` are left out and counted."""
    zone = ZoneInfo(timezone)
    given = list(events)
    counted = [event for event in given if as_of is None or local_day(event.time, zone) <= as_of]
    latest = max((event.time for event in counted), default=None)
    # The day of the latest event may have only begun.
    observed_through = as_of or (latest and local_day(latest, zone) - DAY)
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
    own_events: dict[int, list[Event]] = {}
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
    loaded_next_week = any(offset(load) == 1 for load in loads)
    converted = {
        "next-week": week_offset == 1,
        "same-week": week_offset == 0,
        "any-load-next-week": loaded_next_week,
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
        loaded_next_week=loaded_next_week,
        converted=converted[definition],
        seen_before=any(e.kind == APP_LOADED and e.time < registration.time for e in own_events),
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
        last_day = sunday(start if definition == "same-week" else start + WEEK)
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
                seen_before=sum(user.seen_before for user in users if user.week_start == start),
            )
        )
    return tuple(weeks)


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
    return Gaps(
        no_events=missing_days([event.time for event in events], until),
        no_registered=missing_days([e.time for e in events if e.kind == REGISTERED], until),
        no_app_loaded=missing_days([e.time for e in events if e.kind == APP_LOADED], until),
    )
