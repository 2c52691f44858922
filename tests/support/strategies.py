"""Hypothesis strategies: event logs where mistakes hide, and the many ways to write them down.

Events come in small worlds: few users and few instants, near the borders of local weeks, so that
duplicates, ties and loads before a registration are common. How an event is written is decided by
one integer, its style: 0 is the plainest notation, which is also what a failure shrinks to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from support.oracle import (
    APP_LOADED,
    DAY,
    DEFAULT,
    DEFINITIONS,
    EPOCH,
    REGISTERED,
    WEEK,
    Definition,
    Event,
    JsonPath,
    LogFormat,
    meets,
    value_at,
)

RUN_STARTED = datetime(2025, 6, 15, 12, 0, tzinfo=UTC)

# Not among them: zones whose clocks once went back over midnight (St Johns, Goose Bay, ...), where
# "the day of the latest event" is open to two readings.
ZONES = (
    "UTC",
    "Africa/Casablanca",  # clocks change twice around Ramadan
    "America/Los_Angeles",
    "America/Phoenix",  # no daylight saving time
    "America/Sao_Paulo",  # local midnights that do not exist
    "Asia/Kathmandu",  # 5:45
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",  # clocks change by half an hour
    "Europe/Dublin",  # "summer" time is the standard one
    "Pacific/Apia",  # had no 2011-12-30
    "Pacific/Auckland",
    "Pacific/Chatham",  # 12:45
    "Pacific/Kiritimati",  # 14:00; had no 1994-12-31
    "Pacific/Pago_Pago",  # -11:00
)

MONDAYS = (
    date(2020, 11, 2),
    date(2020, 12, 28),  # week 2020-53, then 2021-01
    date(2015, 12, 28),  # another long year
    date(2018, 12, 24),  # 2018-12-31 is in 2019-01
    date(2024, 12, 30),  # week 2025-01
    date(2020, 2, 24),  # leap day
    date(2020, 3, 2),  # clocks change on Sunday in Los Angeles,
    date(2020, 3, 23),  # in Dublin,
    date(2020, 10, 26),  # back in Los Angeles,
    date(2021, 3, 29),  # on Lord Howe, in Auckland and Chatham,
    date(2021, 4, 5),  # in Casablanca
    date(2018, 10, 29),  # and in Sao Paulo
    date(2011, 12, 26),  # six days in Apia
    date(1994, 12, 26),  # six days in Kiritimati
    date(1970, 1, 5),
    date(2025, 6, 9),  # the last event times that are accepted
)

INITIATOR_IDS = (
    *(1, 2, 3, 0, -1),
    *(2**53, 2**53 + 1),  # the same number to a float
    *(2**63 - 1, -(2**63), 1_234_567_890_123_456_789),
)

TEXTS = (
    *("invite", "direct", "A", "a", "", " ", "(none)", "null", "NULL", "None", "nan", "0"),
    *(
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        '"',
        "\\",
        "a|b",
        "${x}",
        "%2F",
        "../x",
    ),
    *("Zoë", "Zoe\u0308", "日本", "😀", "\u202etfel"),
    *("\ue000", "\U00010000"),  # ordered the other way round in UTF-16
    *("tab\t", "line\nfeed", "bell\a", "\x1b[31mred", "nul\x00"),
)

AROUND_A_BORDER = (
    *(timedelta(0), timedelta(microseconds=-1), timedelta(microseconds=1)),
    *(timedelta(seconds=-1), timedelta(minutes=-1), timedelta(milliseconds=1500)),
    *(timedelta(hours=-1), timedelta(hours=1), timedelta(minutes=30), timedelta(hours=12)),
)

WEEKS, DAYS = (0, 0, 1, 1, 1, 2, 3, -1, 52, 53), (0, 0, 0, 1, 3, 6)
SHIFTS = tuple(product(WEEKS, DAYS, AROUND_A_BORDER))

JSON_WHITESPACE = (" ", "\t", "\r", "  ")
OFFSETS = tuple(timedelta(minutes=m) for m in (0, 60, -300, 330, 345, -210, 840, 1080, -1080, -1))


# ---------------------------------------------------------------- questions


@dataclass(frozen=True)
class Question:
    """An event log with all that decides its answer; the fields are those of `oracle.measure`."""

    events: tuple[Event, ...]
    timezone: str
    definition: Definition
    as_of: date | None


def zones() -> st.SearchStrategy[str]:
    return st.sampled_from(ZONES)


def definitions() -> st.SearchStrategy[Definition]:
    return st.sampled_from(DEFINITIONS)


def initiator_ids() -> st.SearchStrategy[int]:
    return st.sampled_from(INITIATOR_IDS) | st.integers(-(2**63), 2**63 - 1)


def texts() -> st.SearchStrategy[str | None]:
    """Channels and device types, null too."""
    return st.none() | st.sampled_from(TEXTS) | st.text(max_size=5)


@st.composite
def instants(draw: st.DrawFn, timezone: str, first_monday: date) -> datetime:
    """A time near a day border, most often a week border, some weeks around `first_monday`."""
    weeks, days, around = draw(st.sampled_from(SHIFTS))
    day = first_monday + weeks * WEEK + days * DAY
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    return min(max(midnight + around, EPOCH), RUN_STARTED + DAY)


@st.composite
def event_logs(draw: st.DrawFn, timezone: str = "UTC", max_size: int = 30) -> tuple[Event, ...]:
    """Registrations and loads of one to four users, in any order, some of them repeated."""
    first_monday = draw(st.sampled_from(MONDAYS))
    ids = draw(st.lists(initiator_ids(), min_size=1, max_size=4))
    times = draw(st.lists(instants(timezone, first_monday), min_size=2, max_size=8, unique=True))
    some_texts = draw(st.lists(texts(), min_size=1, max_size=3))
    # All events of this small world, so that each one costs a single draw.
    some = list(product(times, ids, some_texts))
    world = [Event(REGISTERED, time, id_, channel=text) for time, id_, text in some]
    world += [Event(APP_LOADED, time, id_, device_type=text) for time, id_, text in some]
    least = draw(st.sampled_from((0, max_size // 6, max_size // 3)))
    return tuple(draw(st.lists(st.sampled_from(world), min_size=least, max_size=max_size)))


def as_of_dates(events: Sequence[Event]) -> st.SearchStrategy[date | None]:
    """No date, or one within three weeks of an event."""
    days = sorted({event.time.date() for event in events}) or [RUN_STARTED.date()]
    near = st.builds(
        lambda day, shift: day + shift * DAY, st.sampled_from(days), st.integers(-2, 21)
    )
    return st.none() | near


@st.composite
def questions(draw: st.DrawFn, max_size: int = 30) -> Question:
    """An event log with time zone, definition and as-of date."""
    timezone = draw(zones())
    events = draw(event_logs(timezone, max_size))
    return Question(events, timezone, draw(definitions()), draw(as_of_dates(events)))


# ---------------------------------------------------------------- log formats

NAMES = (
    *("registered", "app_loaded", "Signed Up", "$signup", "it's", 'say "hi"', "a,b", "Приложение"),
    *("Registered", "true", "7", "[x]", "back\\slash", " ", "null", "%s ${x}"),
)
# No path leads through the value of another one, so that a record can have all of them.
PATHS: tuple[JsonPath, ...] = (
    *(("event",), ("timestamp",), ("initiator_id",), ("channel",), ("@t",), ("0",), ("a/b",)),
    *(("user", "id"), ("user", "ID"), ("user", "plan.name"), ("user", "it's"), ("User", "id")),
    *(("items", 0, "id"), ("items", 2, "id"), ("list", 1), ("deep", "er", "est", 0, 0, "key")),
    *(("params", ("key", "plan"), "value", "text"), ("params", ("key", "it's 7"), "value")),
    *(("$properties", "$device"), ("$properties", "of the", "user"), ("имя", "ключ"), ("é",)),
    *(("Event",), ("TIMESTAMP", "of"), ("tags[0]",), ("a.b",), ("back\\slash",), ("a:b", "*c")),
)
TIMESTAMP_FORMS = ("%d.%m.%Y %H:%M", "%m/%d/%Y, %H:%M:%S", "%Y%m%d%H%M%S", "[%H:%M|%Y%d%m]")
FIELDS = ("event", "timestamp", "initiator_id", "channel", "device_type", "plan", "Country")
CONDITIONS = ("web", "true", "7", "", "it's", r"50%_\x")
ANY_CONDITION = (
    *CONDITIONS,
    "*",
    "w*",
    "*e*",
    "50%*",
    "*_*",
    "*\\*",
    "!=web",
    "!=*e",
    "!= 7",
    "!=*",
)


@st.composite
def log_formats(draw: st.DrawFn) -> LogFormat:
    """Any names of events, and any one to three paths for each field."""
    paths = draw(st.permutations(PATHS))
    if draw(st.booleans()):  # no keys that differ only in case
        first = {str(path[0]).lower(): path[0] for path in paths}
        paths = [path for path in paths if path[0] == first[str(path[0]).lower()]]
    names = draw(st.permutations(NAMES))
    fields = {}
    for name in FIELDS[: draw(st.integers(5, len(FIELDS)))]:
        number = draw(st.sampled_from((1, 1, 1, 2, 3)))
        fields[name], paths = tuple(paths[:number]), paths[number:]
    conditions = st.dictionaries(
        st.sampled_from(paths[:2]),
        st.lists(st.sampled_from(ANY_CONDITION), min_size=1, max_size=3, unique=True)
        .map(tuple)
        .filter(lambda texts: any(meets(text, texts) for text in CONDITIONS)),
        max_size=1,
    )
    # What is left out has a place of its own: events are written without it.
    left_out = conditions.filter(lambda drawn: not any(meets(None, on) for on in drawn.values()))
    exclude = dict(zip([paths[2]], draw(left_out).values(), strict=False))
    return LogFormat(
        events={REGISTERED: tuple(names[:2]), APP_LOADED: tuple(names[2:3])},
        fields=fields,
        ids=draw(st.sampled_from(("text", "integer"))),
        where={REGISTERED: draw(conditions), APP_LOADED: draw(conditions)},
        exclude=exclude,
        timezone=draw(st.just("UTC") | zones()),
        timestamp=draw(st.sampled_from((None, *TIMESTAMP_FORMS))),
        local_numbers=draw(st.booleans()),
        unnamed=draw(st.booleans()),
        anonymous=draw(st.booleans()),
    )


def as_toml(log_format: LogFormat) -> str:
    """The log format as a file for `--log-format`."""
    text = partial(json.dumps, ensure_ascii=False)
    document = [
        f"ids = {text(log_format.ids)}",
        "[events]",
        *(f"{kind} = {text(names)}" for kind, names in log_format.events.items()),
        "[fields]",
        *(
            f"{name} = {text([*map(path_text, paths)])}"
            for name, paths in log_format.fields.items()
        ),
        "[input]",
        f"timezone = {text(log_format.timezone)}",
        *([f"timestamp = {text(log_format.timestamp)}"] if log_format.timestamp else ()),
        *(
            f"{name} = {text(getattr(log_format, name))}"
            for name in ("local_numbers", "unnamed", "anonymous")
        ),
    ]
    tables = {f"where.{kind}": conditions for kind, conditions in log_format.where.items()}
    for name, conditions in (tables | {"exclude": log_format.exclude}).items():
        document.append(f"[{name}]")
        document += [f"{text(path_text(path))} = {text(on)}" for path, on in conditions.items()]
    return "\n".join(document)


def path_text(path: JsonPath) -> str:
    """A path as log formats write it."""

    def text(step: str | int | tuple[str, str]) -> str:
        if isinstance(step, tuple):
            return f"[{step[0]}={step[1]}]"
        return f"[{step}]" if isinstance(step, int) else f'."{step}"'

    return "".join(map(text, path)).removeprefix(".")


# ---------------------------------------------------------------- how an event is written


def styles() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def event_line(event: Event, style: int = 0, log_format: LogFormat = DEFAULT) -> bytes:
    """The event as one line without its line feed, read back as the same event in every style."""
    random = Random(style)
    record = record_of(event, style, log_format)
    if style == 0:
        return json_of(record, lambda: "").encode()
    more = [pair for pair in EXTRA_MEMBERS if pair[0] not in {path[0] for path in PATHS}]
    record |= dict(random.sample(more, random.choice((0, 0, 1, 3))))
    members = [*record.items()]
    random.shuffle(members)
    sparse = random.random() < 0.5

    def whitespace() -> str:
        return "" if sparse or random.random() < 0.5 else random.choice(JSON_WHITESPACE)

    line = json_of(dict(members), whitespace, lambda key: json_text(key, random))
    return (whitespace() + line + whitespace()).encode()


def record_of(event: Event, style: int, log_format: LogFormat) -> dict[str, Any]:
    """The event as objects and arrays; the values in them are JSON texts."""
    random, record = Random(style), dict[str, Any]()
    values = {
        "event": json_text(random.choice(log_format.events[event.kind]), random, style),
        "timestamp": timestamp_text(event.time, random, style, log_format),
        "initiator_id": id_text(event.initiator_id, random, style, log_format),
    }
    texts = {"device_type": event.device_type}
    if event.kind == REGISTERED:
        extra = dict(zip(log_format.attributes, event.extra, strict=False))
        texts = {"channel": event.channel} | extra
    for name, text in texts.items():
        if text is not None or random.random() < 0.5:
            values[name] = "null" if text is None else json_text(text, random, style)
    for name, value in values.items():
        paths = log_format.fields[name]
        place = random.randrange(len(paths))
        put(record, paths[place], value)
        for path in paths[:place] if random.random() < 0.5 else ():
            put(record, path, "null")
        for path in paths[place + 1 :] if value != "null" and random.random() < 0.5 else ():
            put(record, path, random.choice(('"other"', "null", "7", "{}")))
    for path, texts_there in log_format.where.get(event.kind, {}).items():
        text = random.choice([each for each in CONDITIONS if meets(each, texts_there)])
        put(record, path, text if text in ("true", "7") else json_text(text, random, style))
    return record


def put(record: dict[str, Any], path: JsonPath, value: str) -> None:
    """Set the value that a path leads to, and make the objects and arrays on the way."""
    at: Any = record
    for step, following in zip(path, (*path[1:], None), strict=True):
        new: Any = value if following is None else {} if isinstance(following, str) else []
        if isinstance(step, tuple):
            at = at if isinstance(at, list) else []
            member = {step[0]: json.dumps(step[1])}
            there = [each for each in at if isinstance(each, dict) and {**each, **member} == each]
            at += [] if there else [{"other": "1"}, member]
            at = there[0] if there else member
            continue
        if isinstance(at, list):
            at += ["null"] * (int(step) + 1 - len(at))
        there = at[step] if isinstance(at, list) else at.get(step)
        if following is None or not isinstance(there, dict | list):
            at[step] = new
        at = at[step]


def json_of(
    value: Any, whitespace: Callable[[], str], key_text: Callable[[str], str] = json.dumps
) -> str:
    """A record as JSON."""
    w = whitespace
    if isinstance(value, dict):
        members = (
            f"{w()}{key_text(key)}{w()}:{w()}{json_of(each, w, key_text)}{w()}"
            for key, each in value.items()
        )
        return "{" + (",".join(members) or w()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{w()}{json_of(each, w, key_text)}{w()}" for each in value) + "]"
    return str(value)


EXTRA_MEMBERS = [
    ("campaign", '"spring"'),
    ("browser_version", '{"major" : 86, "tags": ["a", null, 1.5e3, {}], "event": "registered"}'),
    ("EVENT", "null"),
    ("initiator_id ", "{}"),
    ("", "[]"),
    ("},{", '"\\"},\\n]"'),
    ("limit", "-0.25"),
    ("flag", "false"),
]


def json_text(text: str, random: Random, style: int = 1) -> str:
    """A JSON string: readable, in ASCII, or with every character escaped."""
    notation = random.choice((0, 0, 0, 1, 2)) if style else 0
    if notation == 2:
        units = text.encode("utf-16-be").hex()
        return '"' + "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4)) + '"'
    escaped = json.dumps(text, ensure_ascii=notation == 1)
    return escaped.replace("/", "\\/") if style and random.random() < 0.5 else escaped


def id_text(identifier: int | str, random: Random, style: int, log_format: LogFormat) -> str:
    """A JSON integer, or a string of digits, perhaps with leading zeros; or a text."""
    if isinstance(identifier, str):
        is_number = re.fullmatch("0|-?[1-9][0-9]*", identifier) and style % 2
        return identifier if is_number else json_text(identifier, random, style)
    if not style or random.random() < 0.6:
        return str(identifier)
    zeros = random.choice(("", "", "0", "0" * 30)) if log_format.ids == "integer" else ""
    return f'"{"-" if identifier < 0 else ""}{zeros}{abs(identifier)}"'


def timestamp_text(time: datetime, random: Random, style: int, log_format: LogFormat) -> str:
    """One of the notations of the instant, as JSON."""
    if not style:
        return json.dumps(time.isoformat().removesuffix("+00:00") + "Z")
    zone = ZoneInfo(log_format.timezone)
    if random.random() < 0.2 and (number := epoch_text(time, random, log_format)):
        return number
    naive, form = time.astimezone(zone).replace(tzinfo=None), log_format.timestamp
    if form and random.random() < 0.5 and time.astimezone(zone).fold == 0:
        text = naive.strftime(form)
        if len(str(naive.year)) == 4 and datetime.strptime(text, form) == naive:
            return json_text(text, random)
    if random.random() < 0.3 and time.astimezone(zone).fold == 0:
        local, offset = time.astimezone(zone).replace(tzinfo=None), ""
    else:
        shift = random.choice(OFFSETS)
        local, offset = time.replace(tzinfo=None) + shift, offset_text(shift, random)
    digits = f"{local.microsecond:06d}"
    beyond = "".join(random.choices("0123456789", k=random.choice((0, 1, 3, 6))))
    fraction = random.choice((digits.rstrip("0"), digits, digits + beyond))
    text = f"{local:%Y-%m-%d}{random.choice('TT ')}{local:%H:%M:%S}"
    return json_text(text + ("." + fraction if fraction else "") + offset, random)


def offset_text(offset: timedelta, random: Random) -> str:
    """`Z`, or hours and minutes with or without a colon."""
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "-" if offset < timedelta(0) else "+"
    notations = [f"{sign}{hours:02d}:{minutes:02d}", f"{sign}{hours:02d}{minutes:02d}"]
    if minutes == 0:
        notations.append(f"{sign}{hours:02d}")
    return random.choice(notations if offset else [*notations, "Z", " UTC", "-00:00"])


def epoch_text(time: datetime, random: Random, log_format: LogFormat) -> str | None:
    """A number, or a text of digits, that means about the instant; None if there is none."""
    local = time.astimezone(ZoneInfo(log_format.timezone) if log_format.local_numbers else UTC)
    micros = (local.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    if local.fold or not 10**15 <= micros <= 42 * 10**14:
        return None
    unit = random.choice([unit for unit in (10**6, 10**3, 1) if micros % unit == 0])
    number = str(micros // unit) if random.random() < 0.7 else f"{micros}000"
    if random.random() < 0.2:  # more digits than a 64-bit float has
        return f"{number}.{random.choice(('99999999', random.randrange(10**9)))}"
    return random.choice((number, f'"{number}"'))


# ---------------------------------------------------------------- all the other lines

GOOD = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'


def _with_event(value: str) -> bytes:
    return GOOD.replace('"registered"', value, 1).encode()


def _with_timestamp(value: str) -> bytes:
    return GOOD.replace('"2020-11-02T06:21:14Z"', value).encode()


def _with_id(value: str) -> bytes:
    return GOOD.replace(":1}", f":{value}}}").encode()


def _with_more(more: bytes) -> bytes:
    return GOOD.encode()[:-1] + b"," + more + b"}"


BLANK_LINES = (b"", b" ", b"\t", b"\r", b" \t\r", b"\v\f")
OTHER_LINES = (
    *map(_with_event, ('"page_viewed"', '"Registered"', '" registered"', '"null"', '" "')),
    *map(_with_event, ("0", "1", "false", "true", "[]", "{}", '["registered"]')),
    b'{"event":"page_viewed"}',
    b'{"event":"page_viewed","timestamp":7,"initiator_id":{}}',
)
BAD_LINES: dict[str, tuple[bytes, ...]] = {
    "invalid_json": (
        *(b"null", b"true", b"7", b"-1.5e3", b'"registered"', b"[]", b"event", b"\0", b"{", b"}"),
        *(b"NaN", b"\xff", b"{]", GOOD.encode()[:40], GOOD.encode()[:-1], f"[{GOOD}]".encode()),
        *(GOOD.encode() + more for more in (b",", b" x", b"\0", b"}", b"//", GOOD.encode())),
        *(more + GOOD.encode() for more in (b"x", b",", b"[", b"1 ", b"{} ", b"{}{} ")),
    ),
    "missing_event": (
        *(b"{}", b"{ }", b'{"payload":{"event":"registered"}}', b'{"x":1}'),
        *map(_with_event, ("null", '""')),
        *(GOOD.replace("event", key).encode() for key in ("Event", "event ")),
    ),
    "missing_timestamp": (
        *(b'{"event":"app_loaded"}', b'{"event":"app_loaded","initiator_id":"seven"}'),
        _with_timestamp("null"),
        *(GOOD.replace("timestamp", key).encode() for key in ("time", "Timestamp")),
    ),
    "invalid_timestamp": (
        *map(_with_timestamp, ('""', '" "', '"yesterday"', '"now"', '"epoch"', '"NaN"', '"Z"')),
        *map(_with_timestamp, ("true", "{}", "[]", '["2020-11-02T06:21:14Z"]', "0", "-1", '"7"')),
        *map(_with_timestamp, ("999999999", "4200000001", "99999999999", "1.5", '"20201102"')),
        *map(_with_timestamp, ("4200000000001", "4200000000000000001", "12345678901234567890")),
        *map(_with_timestamp, ('"2021-02-29T00:00:00Z"', '"2020-11-31 00:00:00"')),
        *map(_with_timestamp, ('"2020-13-01T00:00:00Z"', '"2020-00-01T00:00:00Z"')),
        *map(_with_timestamp, ('"2020-11-02T25:00:00Z"', '"2020-11-02T06:60:00Z"')),
        *map(_with_timestamp, ('"2020-11-02T06:21:61Z"', '"2020-11-02"')),
        b'{"event":"registered","timestamp":"yesterday"}',
    ),
    "timestamp_out_of_range": (
        *map(_with_timestamp, ('"0001-01-01T00:00:00+14:00"', '"1969-12-31T23:59:59.999999Z"')),
        *map(_with_timestamp, ('"1970-01-01T00:59:59+01:00"', '"9999-12-31T23:59:59-18:00"')),
        *map(_with_timestamp, ('"2025-06-16T12:00:00.000001Z"', "1750075201", "4200000000")),
        b'{"event":"registered","timestamp":"1969-12-31T23:59:59Z"}',
    ),
    "missing_initiator_id": (
        *map(_with_id, ("null", '""', '"null"', '"None"', '"nan"', '"\\\\N"')),
        *(GOOD.replace("initiator_id", key).encode() for key in ("user_id", "Initiator_Id")),
    ),
    "invalid_initiator_id": (
        *map(_with_id, ("3.0", "3.5", "1e3", "-1E0", "true", "false", "[]", "[1]", "{}")),
        *map(_with_id, ("9223372036854775808", "-9223372036854775809", '"9223372036854775808"')),
        *map(_with_id, ('" 7"', '"7 "', '"+7"', '"--7"', '"-"', '"3.0"', '"1e3"', '"0x1F"')),
        *map(_with_id, ('"1_000"', '"seven"', '"７"', '"true"', '"7\\n"')),
    ),
}
UNDECIDED_LINES = (
    *(b"\xef\xbb\xbf", b"\xef\xbb\xbf{}", b"{,}", b'{"event":}', b"{event:1}"),
    *(b"{'event':1}", GOOD.encode().replace(b",", b";", 1), b"{" + GOOD.encode() + b"}"),
    *map(_with_more, (b"", b'"x":[1,]', b'"x":[,]', b'"x":01', b'"x":+1', b'"x":.5', b'"x":5.')),
    *map(_with_more, (b'"x":NaN', b'"x":-Infinity', b'"x":nan', b'"x":True', b'"x":1e999')),
    *map(_with_more, (b'"x":"\t"', b'"x":"\\x41"', b'"x":"\\ud800"', b'"\\udc00":1', b"/**/")),
    *map(_with_more, (b'"x":"\xff"', b'"x":"\xc0\xaf"', b'"x":"\xed\xa0\x80"', b'"\xe9":1')),
    *map(
        _with_more,
        (b'"event":"other"', b'"initiator_id":2', b'"channel":1.5', b'"channel":{"a":1e2}'),
    ),
    *map(_with_timestamp, ('"2020-11-02T24:00:00Z"', '"2020-11-02T06:21:60Z"')),
    *map(_with_timestamp, ('"2020-11-02t06:21:14z"', '"2020-11-02T06:21:14,5Z"')),
    *map(
        _with_timestamp, ('"2020-11-02T06:21Z"', '"2020-11-2T6:21:14Z"', '" 2020-11-02T06:21:14Z"')
    ),
    *map(
        _with_timestamp,
        ('"0000-01-01T00:00:00Z"', '"2020-11-02T06:21:14+19:00"', '"2020-11-02T06:21:14 CET"'),
    ),
    *map(_with_timestamp, ('"20201102T062114Z"', '"2020-W45-1T06:21:14Z"', '"-1604298074"')),
)


def blank_lines() -> st.SearchStrategy[bytes]:
    return st.sampled_from(BLANK_LINES)


def other_lines() -> st.SearchStrategy[bytes]:
    return st.sampled_from(OTHER_LINES)


def bad_lines() -> st.SearchStrategy[bytes]:
    """Rejected lines; times out of range are so at `RUN_STARTED`."""
    return st.sampled_from(sorted(BAD_LINES)).flatmap(lambda each: st.sampled_from(BAD_LINES[each]))


def undecided_lines() -> st.SearchStrategy[bytes]:
    """Lines that the engine's parser accepts or rejects."""
    return st.sampled_from(UNDECIDED_LINES)


FAULTS = (
    *("null", '""', '" "', "true", "false", "{}", "[]", '[{"id":1}]', "7", "0", "-5", "3.5"),
    *('"yesterday"', '"2021-02-29T00:00:00Z"', '"1969-12-31T23:59:59Z"', '"true"', '"3.5"'),
    *('"007"', '"{}"', '"null"', '"NaN"', '"7"', '"{not json"', '{"id":{"id":"é"}}', '"web"'),
    *('"02.11.2020 06:21"', '"2.11.2020 06:21"', '"31.02.2020 06:21"', "20201102062114"),
    *('"2020-11-02 06:21:14"', "1604298074", '"1604298074000"', '{"id":7,"0":[1,"a"]}'),
)
JSON_TEXT = "the JSON text of what is there"


@st.composite
def faulty_lines(draw: st.DrawFn, event: Event, log_format: LogFormat) -> bytes:
    """An event of a log format with other values at one to three of its paths, or above them."""
    record = record_of(event, draw(styles()), log_format)
    paths = [path for paths in log_format.fields.values() for path in paths]
    paths += [path for each in (*log_format.where.values(), log_format.exclude) for path in each]
    for path in draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3)):
        above = draw(st.sampled_from((len(path), len(path), 1)))
        fault, there = draw(st.sampled_from((*FAULTS, JSON_TEXT))), value_at(record, path[:above])
        if fault == JSON_TEXT:
            # A value as text, which is another value.
            fault = "null" if there is None else json.dumps(json_of(there, lambda: ""))
        put(record, path[:above], fault)
    return json_of(record, lambda: "").encode()


@st.composite
def truncated_lines(draw: st.DrawFn) -> bytes:
    """The beginning of an event line that was cut off while it was written; never an event."""
    line = event_line(draw(event_logs().filter(len))[0], draw(styles())).rstrip()
    return line[: draw(st.integers(0, len(line) - 1))].rstrip(b"}")


@st.composite
def lines_of(draw: st.DrawFn, events: Sequence[Event]) -> list[bytes]:
    """One line for each event, in order, each in its own style."""
    return [event_line(event, draw(styles())) for event in events]


@st.composite
def raw_logs(draw: st.DrawFn) -> list[bytes]:
    """The lines of an event log among blank, other and rejected ones, in any order."""
    rest = blank_lines() | other_lines() | bad_lines() | truncated_lines()
    lines = draw(lines_of(draw(event_logs()))) + draw(st.lists(rest, max_size=12))
    return draw(st.permutations(lines))


@st.composite
def file_splits(draw: st.DrawFn, lines: Sequence[bytes], max_files: int = 4) -> list[bytes]:
    """The contents of one to `max_files` files that hold the lines, in any distribution.

    The last line of a file may lack its line feed, and a file may be empty.
    """
    files: list[list[bytes]] = [[] for _ in range(draw(st.integers(1, max_files)))]
    for line in lines:
        files[draw(st.integers(0, len(files) - 1))].append(line)
    return [
        b"\n".join(held) + (b"\n" if not held[-1] or draw(st.booleans()) else b"") if held else b""
        for held in files
    ]
