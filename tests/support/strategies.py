"""Hypothesis strategies: event logs where mistakes hide, and the many ways to write them down.

Events come in small worlds: few users and few instants, near the borders of local weeks, so that
duplicates, ties and loads before a registration are common. How an event is written is decided by
one integer, its style: 0 is the plainest notation, which is also what a failure shrinks to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from support.oracle import APP_LOADED, DAY, DEFINITIONS, EPOCH, REGISTERED, WEEK, Definition, Event

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


# ---------------------------------------------------------------- how an event is written


def styles() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def event_line(event: Event, style: int = 0) -> bytes:
    """The event as one line without its line feed, read back as the same event in every style."""
    random = Random(style)
    plain = style == 0
    name = "channel" if event.kind == REGISTERED else "device_type"
    text = event.channel if event.kind == REGISTERED else event.device_type
    members = [
        ("event", json_text(event.kind, random, plain)),
        ("timestamp", json_text(timestamp_text(event.time, random, plain), random, plain)),
        ("initiator_id", id_text(event.initiator_id, random, plain)),
    ]
    if text is not None or random.random() < 0.5:
        members.append((name, "null" if text is None else json_text(text, random, plain)))
    if plain:
        return object_text(members, lambda: "").encode()
    members += random.sample(EXTRA_MEMBERS, random.choice((0, 0, 1, 3)))
    random.shuffle(members)
    return surrounded(disguised_object(members, random), random)


EXTRA_MEMBERS = [
    ("campaign", '"spring"'),
    ("browser_version", '{"major" : 86, "tags": ["a", null, 1.5e3, {}], "event": "registered"}'),
    ("Event", "null"),
    ("TIMESTAMP", '"yesterday"'),
    ("initiator_id ", "{}"),
    ("", "[]"),
    ("},{", '"\\"},\\n]"'),
    ("size", "1.5e-3"),
    ("flag", "false"),
]


def disguised_object(members: Sequence[tuple[str, str]], random: Random) -> str:
    """An object with random whitespace and escaped keys."""
    sparse = random.random() < 0.5

    def whitespace() -> str:
        return "" if sparse or random.random() < 0.5 else random.choice(JSON_WHITESPACE)

    return object_text(members, whitespace, lambda key: json_text(key, random, plain=False))


def object_text(
    members: Sequence[tuple[str, str]],
    whitespace: Callable[[], str],
    key_text: Callable[[str], str] = json.dumps,
) -> str:
    """The object whose members are a key and the JSON text of a value."""
    w = whitespace
    parts = [f"{w()}{key_text(key)}{w()}:{w()}{value}{w()}" for key, value in members]
    return "{" + (",".join(parts) or w()) + "}"


def surrounded(line: str, random: Random) -> bytes:
    """The line with whitespace around it, or a CR LF behind it."""
    before = random.choice(JSON_WHITESPACE) if random.random() < 0.2 else ""
    after = random.choice(JSON_WHITESPACE) if random.random() < 0.2 else ""
    return (before + line + after).encode()


def json_text(text: str, random: Random, plain: bool) -> str:
    """A JSON string: readable, in ASCII, or with every character escaped."""
    style = 0 if plain else random.choice((0, 0, 0, 1, 2))
    if style == 2:
        units = text.encode("utf-16-be").hex()
        units = units.upper() if random.random() < 0.5 else units
        return '"' + "".join("\\u" + units[i : i + 4] for i in range(0, len(units), 4)) + '"'
    escaped = json.dumps(text, ensure_ascii=style == 1)
    return escaped if plain or random.random() < 0.5 else escaped.replace("/", "\\/")


def id_text(number: int, random: Random, plain: bool) -> str:
    """A JSON integer, or a string of digits."""
    return str(number) if plain or random.random() < 0.6 else f'"{number}"'


def timestamp_text(time: datetime, random: Random, plain: bool = False) -> str:
    """One of the valid notations of the instant."""
    if plain:
        return time.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    offset = random.choice(OFFSETS) if random.random() < 0.5 else timedelta(0)
    local = time.astimezone(UTC).replace(tzinfo=None) + offset
    day, clock = local.date(), clock_text(local, random)
    return f"{day}{random.choice('TT ')}{clock}{offset_text(offset, random)}"


def clock_text(local: datetime, random: Random) -> str:
    """Hours to fraction: digits past the sixth are any, since they are cut off."""
    digits = f"{local.microsecond:06d}"
    beyond = "".join(random.choices("0123456789", k=random.choice((0, 1, 3, 6))))
    fraction = random.choice((digits.rstrip("0"), digits, digits + beyond))
    return f"{local:%H:%M:%S}" + (f".{fraction}" if fraction else "")


def offset_text(offset: timedelta, random: Random) -> str:
    """`Z`, ` UTC`, nothing, or hours and minutes with or without a colon."""
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "-" if offset < timedelta(0) else "+"
    notations = [f"{sign}{hours:02d}:{minutes:02d}", f"{sign}{hours:02d}{minutes:02d}"]
    if minutes == 0:
        notations.append(f"{sign}{hours:02d}")
    if not offset:
        notations += ["Z", "Z", " UTC", "", "-00:00"]
    return random.choice(notations)


# ---------------------------------------------------------------- all the other lines

GOOD = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'


def _with_event(value: str) -> bytes:
    return GOOD.replace('"registered"', value, 1).encode()


def _with_timestamp(value: str) -> bytes:
    return GOOD.replace('"2020-11-02T06:21:14Z"', value).encode()


def _with_id(value: str) -> bytes:
    return GOOD.replace(":1}", f":{value}}}").encode()


_INVALID_TIMESTAMPS = (
    *("", " ", "yesterday", "2020-11-02", "2020-11-02T06", "06:21:14", "null", "7", "1e30"),
    *("20201102T062114Z", "2020-W45-1T06:21:14Z", "2020-307T06:21:14Z", "220-11-02T06:21:14Z"),
    *("2020-11-02T06:21:14.Z", "2020-11-02T06:21.5Z", "2020-11-02_06:21:14Z"),
    *("2020-02-30T00:00:00Z", "2021-02-29T00:00:00Z", "2020-13-01T00:00:00Z"),
    *("2020-00-01T00:00:00Z", "2020-11-00T00:00:00Z", "2020-11-31T00:00:00Z"),
    *("2020-11-02T25:00:00Z", "2020-11-02T06:60:00Z", "2020-11-02T06:21:61Z"),
    *("2020-11-02T06:21:14+2", "2020-11-02T06:21:14+02:", "2020-11-02T06:21:14+020"),
    *("12020-11-02T06:21:14Z", "-2020-11-02T06:21:14Z", "99999999", "4200000001", "-1604298074"),
)
_OUT_OF_RANGE = (
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1582-10-10T00:00:00Z"),
    *("1969-12-31T23:59:59.999999Z", "1970-01-01T00:59:59+01:00", "2025-06-16T12:00:00.000001Z"),
    *("2025-06-16T12:00:01Z", "2262-04-12T00:00:00Z", "9999-12-31T23:59:59Z"),
)
_INVALID_IDS = (
    *("3.0", "3.5", "1e3", "-1E0", "true", "false", "[]", "[1]", "{}", '{"id":1}'),
    *("9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"),
    *('""', '" 7"', '"7 "', '"+7"', '"--7"', '"-"', '"3.0"', '"1e3"', '"0x1F"', '"1_000"'),
    *('"9223372036854775808"', '"-9223372036854775809"', '"seven"', '"７"', '"null"', '"7\\n"'),
)
_NOT_OBJECTS = (
    *("null", "true", "7", "-1.5e3", '"registered"', "[]", f"[{GOOD}]", "event"),
    *("{", "}", "{]", '{"event"}', '{"event":}', '{"event":,}', GOOD[:-1]),
    *(GOOD + GOOD, f"{GOOD} {GOOD}", GOOD + ",", GOOD + " x", GOOD + "}", "x" + GOOD),
)

BLANK_LINES = (b"", b" ", b"\t", b"\r", b" \t\r", b"\v\f")
OTHER_LINES = (
    *(
        _with_event(name)
        for name in (
            *('"page_viewed"', '"Registered"', '"APP_LOADED"', '" registered"', '"registered\\n"'),
            *('"null"', '" "', "0", "1.5", "false", "true", "[]", "{}", '["registered"]'),
        )
    ),
    b'{"event":"page_viewed"}',
    b'{"event":"page_viewed","timestamp":7,"initiator_id":{}}',
    b'{"event":"other","timestamp":"0001-01-01T00:00:00Z","initiator_id":1}',
)
BAD_LINES: dict[str, tuple[bytes, ...]] = {
    "invalid_json": tuple(text.encode() for text in _NOT_OBJECTS),
    "missing_event": (
        b"{}",
        b"{ }",
        _with_event("null"),
        _with_event('""'),
        GOOD.replace("event", "Event").encode(),
        GOOD.replace("event", "event ").encode(),
        b'{"payload":{"event":"registered"}}',
    ),
    "missing_timestamp": (
        b'{"event":"app_loaded"}',
        b'{"event":"app_loaded","initiator_id":"seven"}',
        _with_timestamp("null"),
        GOOD.replace("timestamp", "time").encode(),
        GOOD.replace("timestamp", "Timestamp").encode(),
    ),
    "invalid_timestamp": (
        *(_with_timestamp(json.dumps(text)) for text in _INVALID_TIMESTAMPS),
        *map(_with_timestamp, ("7", "1.5", "1e30", "true", "{}", "[]")),
        b'{"event":"registered","timestamp":"yesterday"}',
    ),
    "timestamp_out_of_range": (
        *(_with_timestamp(json.dumps(text)) for text in _OUT_OF_RANGE),
        _with_timestamp("4102444800"),
        b'{"event":"registered","timestamp":"1969-12-31T23:59:59Z"}',
    ),
    "missing_initiator_id": (
        _with_id("null"),
        GOOD.replace("initiator_id", "user_id").encode(),
        GOOD.replace("initiator_id", "Initiator_Id").encode(),
    ),
    "invalid_initiator_id": tuple(map(_with_id, _INVALID_IDS)),
}
# Decided by the parser of each engine: accepted or rejected, but never lost.
PARSER_LINES = (
    *(
        GOOD[:-1] + f',"x":{value}}}'
        for value in ("NaN", "-Infinity", "01", "+1", ".5", "5.", "0x1")
    ),
    *(GOOD[:-1] + f',"x":"{text}"}}' for text in ("\x01", "\\x41", "\\u12", "\\ud800", "\\udc00x")),
    *(GOOD[:-1] + ",}", GOOD[:-1] + ",,}", "{event:1}", "{'event':1}", "\ufeff" + GOOD, "NaN"),
    *(GOOD[:-1] + ',"event":"page_viewed"}', '{"event":"page_viewed",' + GOOD[1:]),
    *(GOOD + "// comment", GOOD[:-1] + "/* comment */}", "\ufeff", GOOD + "\0"),
    *(
        GOOD.replace("2020-11-02T06:21:14Z", text)
        for text in (
            *("2020-11-02T24:00:00Z", "2020-11-02T23:59:60Z", "2020-11-02t06:21:14z"),
            *("2020-11-02T06:21:14,5Z", "2020-11-02T06:21Z", "2020-1-2T6:21:14Z"),
            *(" 2020-11-02T06:21:14Z ", "0000-01-01T00:00:00Z", "2020-11-02T06:21:14+19:00"),
        )
    ),
)
NOT_UTF_8 = tuple(
    GOOD.encode()[:-1] + b',"x":"' + bad + b'"}'
    for bad in (b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"caf\xe9")
)


def blank_lines() -> st.SearchStrategy[bytes]:
    return st.sampled_from(BLANK_LINES)


def other_lines() -> st.SearchStrategy[bytes]:
    return st.sampled_from(OTHER_LINES)


def bad_lines(reason: str | None = None) -> st.SearchStrategy[bytes]:
    """Lines rejected for the reason, or for any; times out of range are so at `RUN_STARTED`."""
    if reason is not None:
        return st.sampled_from(BAD_LINES[reason])
    return st.sampled_from(sorted(BAD_LINES)).flatmap(lambda each: st.sampled_from(BAD_LINES[each]))


@st.composite
def truncated_lines(draw: st.DrawFn) -> bytes:
    """The beginning of an event line that was cut off while it was written; never an event."""
    line = event_line(draw(event_logs().filter(len))[0], draw(styles())).rstrip()
    return line[: draw(st.integers(0, len(line) - 1))]


def arbitrary_lines() -> st.SearchStrategy[bytes]:
    """Text of any kind that is no object."""
    text = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), max_size=12)
    return text.map(lambda line: ("x" + line).encode())


@st.composite
def lines_of(draw: st.DrawFn, events: Sequence[Event]) -> list[bytes]:
    """One line for each event, in order, each in its own style."""
    return [event_line(event, draw(styles())) for event in events]


@st.composite
def raw_logs(draw: st.DrawFn, events: Sequence[Event] | None = None) -> list[bytes]:
    """The lines of an event log among blank, other and rejected ones, in any order."""
    log = draw(event_logs()) if events is None else events
    rest = blank_lines() | other_lines() | bad_lines() | truncated_lines() | arbitrary_lines()
    lines = draw(lines_of(log)) + draw(st.lists(rest, max_size=12))
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
