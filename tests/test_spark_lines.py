"""Spark gives each line the verdict and the values of `events.read_line`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.engines import COSTS, EngineUnderTest
from support.strategies import RUN_STARTED, texts

from user_conversion.engines import EngineOptions
from user_conversion.rules.events import CLOCK_TOLERANCE, EARLIEST, Event, read_line
from user_conversion.rules.log_format import APP_LOADED, KINDS, REGISTERED, LogFormat, parse_path
from user_conversion.rules.rejected import CUT_MARK, RAW_LIMIT, Rejected, kept_text

pytestmark = pytest.mark.spark
pytest.importorskip("pyspark")

LATEST = RUN_STARTED + CLOCK_TOLERANCE
# The verdict, the time in microseconds, the id, the device type, the attributes, the raw text.
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def session(spark_session: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with the settings of the engine."""
    from user_conversion.engines.spark.session import open_session

    session, stop = open_session(EngineOptions(), tmp_path_factory.mktemp("scratch"))
    yield session
    stop()


def found_rows(
    session: Any, lines: Sequence[bytes], log_format: LogFormat, kind: str | None = None
) -> list[Row]:
    """What Spark reads from lines, in their order."""
    from pyspark.sql import functions as F  # noqa: N812 - PySpark's own convention

    from user_conversion.engines.spark.lines import read_lines

    rows = [(bytearray(line), "file", kind) for line in lines]
    typed = session.createDataFrame(rows, "value binary, file string, file_kind string")
    read = read_lines(typed.withColumn("value", F.col("value").cast("string")), log_format, LATEST)
    attributes = [f"attribute_{number}" for number, _ in enumerate(log_format.attributes)]
    columns = (F.unix_micros("time"), "initiator_id", "device_type", *attributes, "raw")
    return [tuple(map(same_text, row)) for row in read.select("verdict", *columns).collect()]


def expected_row(line: bytes, log_format: LogFormat, kind: str | None = None) -> Row:
    """What `events.read_line` reads from a line."""
    nothing = (None,) * (3 + len(log_format.attributes))
    try:
        event = read_line(line, log_format, LATEST, kind)
    except Rejected as error:
        return (str(error.reason), *nothing, same_text(kept_text(line)))
    if not isinstance(event, Event):
        return (str(event), *nothing, None)
    micros = (event.time - EARLIEST) // timedelta(microseconds=1)
    names = log_format.attributes if event.event == REGISTERED else ["device_type"]
    kept = [
        event.fields[name] if name in names else None
        for name in ("device_type", *log_format.attributes)
    ]
    return (event.event, micros, same_text(event.initiator_id), *map(same_text, kept), None)


def same_text(value: Any) -> Any:
    """The value; JSON objects and arrays parsed, since the engines escape other characters."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        with suppress(ValueError):
            return json.loads(value)
    return value


# ---------------------------------------------------------------- log formats


def with_fields(**fields: str | tuple[str, ...]) -> LogFormat:
    """The default log format with other paths for some fields."""
    paths = {
        name: tuple(map(parse_path, [given] if isinstance(given, str) else given))
        for name, given in fields.items()
    }
    return LogFormat(fields={**LogFormat().fields, **paths})


DEFAULT = LogFormat()
TEXT_IDS = LogFormat(ids="text")
NESTED = replace(
    with_fields(
        event=("event", "type"),
        timestamp=("timestamp", "originalTimestamp"),
        initiator_id=("userId", "context.traits.id", "ids[1].value"),
        channel="context.campaign.source",
        device_type=("context.device.type", "context.device"),
        plan="ids[0]",
        quoted="context.it's",
        referrer='context."a.b".$c',
    ),
    ids="text",
    events={REGISTERED: ("Signed Up", "User Registered"), APP_LOADED: ("Application Opened",)},
    where={APP_LOADED: {("context", "app", "name"): ("shop", "true")}},
    unnamed=True,
    anonymous=True,
)
LOS_ANGELES = LogFormat(timezone="America/Los_Angeles", local_numbers=True)
LORD_HOWE = LogFormat(timezone="Australia/Lord_Howe")
TWO_CASES = with_fields(initiator_id=("userId", "userid"), channel=())
FORMATS = (DEFAULT, TEXT_IDS, NESTED, LOS_ANGELES, LORD_HOWE, TWO_CASES)

# ---------------------------------------------------------------- lines by hand


def line(**members: object) -> str:
    """A registration in the default log format with other members; without those that are ..."""
    usual = {"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": 1}
    chosen = {name: value for name, value in (usual | members).items() if value is not ...}
    return json.dumps(chosen)


def at(timestamp: object) -> str:
    return line(timestamp=timestamp)


def by(initiator_id: object) -> str:
    return line(initiator_id=initiator_id)


def nested(event: str | None = "Signed Up", context: object = None, **members: object) -> str:
    record = {"event": event, "timestamp": "2020-11-02T06:21:14Z", "userId": "u1"}
    return json.dumps(record | {"context": context} | members)


LINES: list[tuple[LogFormat, str, str]] = [
    (DEFAULT, "registered", line()),
    (DEFAULT, "registered", line(channel="invite")),
    (DEFAULT, "registered", line(channel={"a": [1, None, "é"]})),
    (DEFAULT, "registered", "\t " + line() + " \r"),
    (DEFAULT, "registered", line(end="x", value="y", file="z", parts=[{}])),
    (DEFAULT, "app_loaded", line(event="app_loaded", device_type="mobile", channel="x")),
    (DEFAULT, "other", line(event="clicked")),
    (DEFAULT, "other", line(event="clicked", timestamp=..., initiator_id=...)),
    (DEFAULT, "other", line(event=5)),
    (DEFAULT, "blank", ""),
    (DEFAULT, "blank", " \t\v\f\r"),
    (DEFAULT, "invalid_json", "null"),
    (DEFAULT, "invalid_json", "5"),
    (DEFAULT, "invalid_json", '"registered"'),
    (DEFAULT, "invalid_json", f"[{line()}]"),
    (DEFAULT, "invalid_json", line()[:-1]),
    (DEFAULT, "invalid_json", line() + "x"),
    (DEFAULT, "invalid_json", line() + line()),
    (DEFAULT, "invalid_json", line() + "," + line()),
    (DEFAULT, "invalid_json", line() + "],[1"),
    (DEFAULT, "invalid_json", line() + ',{"end":""}],[1'),
    (DEFAULT, "invalid_json", line()[:-1] + r', "channel": "\q, "x": 1}'),
    (DEFAULT, "missing_event", "{}"),
    (DEFAULT, "missing_event", line(event=None)),
    (DEFAULT, "missing_event", line(event="")),
    (DEFAULT, "missing_timestamp", at(...)),
    (DEFAULT, "missing_timestamp", line(timestamp=None, initiator_id=None)),
    (DEFAULT, "missing_initiator_id", by(...)),
    (DEFAULT, "missing_initiator_id", by(None)),
    # Timestamps.
    (DEFAULT, "registered", at("2020-11-02 06:21:14")),
    (DEFAULT, "registered", at("2020-11-02 06:21:14 UTC")),
    (DEFAULT, "registered", at("2020-11-02T06:21:14+05")),
    (DEFAULT, "registered", at("2020-11-02T06:21:14+0530")),
    (DEFAULT, "registered", at("2020-11-02T06:21:14-18:00")),
    (DEFAULT, "registered", at("2020-11-02T06:21:14.1Z")),
    (DEFAULT, "registered", at("2020-11-02T06:21:14.9999999999999999999999Z")),
    (DEFAULT, "registered", at("1970-01-01T00:00:00Z")),
    (DEFAULT, "registered", at("2025-06-16T12:00:00Z")),
    (DEFAULT, "timestamp_out_of_range", at("2025-06-16T12:00:00.000001Z")),
    (DEFAULT, "timestamp_out_of_range", at("1969-12-31T23:59:59.999999Z")),
    (DEFAULT, "timestamp_out_of_range", at("0001-01-01T00:00:00+18:00")),
    (DEFAULT, "timestamp_out_of_range", at("9999-12-31T23:59:59-18:00")),
    (DEFAULT, "timestamp_out_of_range", line(timestamp="9999-12-31T00:00:00Z", initiator_id=None)),
    (DEFAULT, "invalid_timestamp", at("")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02")),
    (DEFAULT, "invalid_timestamp", at("2020-02-30T06:21:14Z")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02T25:00:00Z")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02T06:21:60Z")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02T06:21:14+18:30")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02T06:21:14 Europe/Berlin")),
    (DEFAULT, "invalid_timestamp", at("now")),
    (DEFAULT, "invalid_timestamp", at(True)),
    (DEFAULT, "invalid_timestamp", at({"time": 1})),
    (DEFAULT, "registered", at(1604298074)),
    (DEFAULT, "registered", at("1604298074")),
    (DEFAULT, "registered", at(1604298074.123456)),
    (DEFAULT, "registered", at("1604298074.123456789")),
    (DEFAULT, "registered", at(1604298074123)),
    (DEFAULT, "registered", at("1.604298074123e12")),
    (DEFAULT, "registered", at(1604298074123456)),
    (DEFAULT, "registered", at(1604298074123456999)),
    (DEFAULT, "invalid_timestamp", at(0)),
    (DEFAULT, "invalid_timestamp", at(-1604298074)),
    (DEFAULT, "invalid_timestamp", at(99_999_999)),
    (DEFAULT, "invalid_timestamp", at("1e999999999999")),
    (DEFAULT, "timestamp_out_of_range", at(4_200_000_000)),
    (DEFAULT, "invalid_timestamp", at(4_200_000_001)),
    # The clock skipped 2:30 and had 1:30 twice.
    (LOS_ANGELES, "registered", at("2020-03-08T02:30:00")),
    (LOS_ANGELES, "registered", at("2020-11-01T01:30:00")),
    (LOS_ANGELES, "registered", at("2020-11-01T01:30:00Z")),
    (LOS_ANGELES, "registered", at("2020-11-01T01:30:00.5-08:00")),
    (LOS_ANGELES, "registered", at(1604298074)),
    (LORD_HOWE, "registered", at("2020-10-04 02:15:00")),
    (LORD_HOWE, "registered", at("2021-04-04 01:45:00.123456789")),
    (LORD_HOWE, "registered", at(1604298074)),
    # Ids.
    (DEFAULT, "registered", by(2**63 - 1)),
    (DEFAULT, "registered", by(-(2**63))),
    (DEFAULT, "registered", by("007")),
    (DEFAULT, "invalid_initiator_id", by(2**63)),
    (DEFAULT, "invalid_initiator_id", by("")),
    (DEFAULT, "invalid_initiator_id", by(" 1")),
    (DEFAULT, "invalid_initiator_id", by("+1")),
    (DEFAULT, "invalid_initiator_id", by("1" * 1_000)),
    (DEFAULT, "invalid_initiator_id", by("0x10")),
    (DEFAULT, "invalid_initiator_id", by(1.0)),
    (DEFAULT, "invalid_initiator_id", by(True)),
    (DEFAULT, "invalid_initiator_id", by([1])),
    (TEXT_IDS, "registered", by("a b")),
    (TEXT_IDS, "registered", by(2**70)),
    (TEXT_IDS, "registered", by("3.5")),
    (TEXT_IDS, "registered", by("true")),
    (TEXT_IDS, "registered", by("1E5")),
    (TEXT_IDS, "registered", by('{"id":1}')),
    (TEXT_IDS, "registered", by("[1")),
    (TEXT_IDS, "registered", by('"quoted"')),
    (TEXT_IDS, "missing_initiator_id", by("")),
    (TEXT_IDS, "invalid_initiator_id", by(3.5)),
    (TEXT_IDS, "invalid_initiator_id", by(1e300)),
    (TEXT_IDS, "invalid_initiator_id", by(True)),
    (TEXT_IDS, "invalid_initiator_id", by({"id": 1})),
    (TEXT_IDS, "invalid_initiator_id", by([1])),
    # Paths.
    (NESTED, "registered", nested(context={"campaign": {"source": "ad"}, "it's": 1})),
    (NESTED, "registered", nested(context={"a.b": {"$c": "https://x"}}, ids=[["x"], {}])),
    (NESTED, "registered", nested(context="campaign", ids="x")),
    (NESTED, "registered", nested(context={"campaign": ["source"]}, ids={"0": "x"})),
    (NESTED, "registered", nested(userId=None, context={"traits": {"id": "t1"}})),
    (NESTED, "registered", nested(userId=None, ids=[None, {"value": "v1"}, {"value": "v2"}])),
    (NESTED, "registered", nested(userId=None, ids=["x", {"value": "3.5"}])),
    (NESTED, "invalid_initiator_id", nested(userId=None, ids=[{}, {"value": 3.5}])),
    (NESTED, "invalid_initiator_id", nested(userId=None, context={"traits": {"id": False}})),
    (NESTED, "anonymous", nested(userId=None, ids=[{"value": "v1"}])),
    (NESTED, "anonymous", nested(userId="", context={"traits": {"id": "t1"}})),
    (NESTED, "missing_timestamp", nested(userId=None, timestamp=None)),
    (NESTED, "registered", nested(timestamp=None, originalTimestamp="2020-11-02T06:21:14Z")),
    (NESTED, "registered", nested(None, type="User Registered")),
    (NESTED, "other", nested(None)),
    (NESTED, "other", nested("")),
    (NESTED, "other", nested("Application Opened")),
    (NESTED, "other", nested("Application Opened", {"app": {"name": "blog"}}, timestamp="x")),
    (NESTED, "app_loaded", nested("Application Opened", {"app": {"name": "shop"}, "device": 5})),
    (NESTED, "app_loaded", nested("Application Opened", {"app": {"name": True}})),
    (NESTED, "invalid_json", nested() + " 1"),
    (TWO_CASES, "registered", line(userid=2)),
    (TWO_CASES, "registered", line(userId=3, userid=2)),
    (TWO_CASES, "missing_initiator_id", line(userID=3)),
]


@pytest.mark.parametrize("log_format", FORMATS)
def test_lines_have_the_verdict_and_values_of_read_line(
    session: Any, log_format: LogFormat
) -> None:
    cases = [(verdict, text.encode()) for used, verdict, text in LINES if used is log_format]
    found = found_rows(session, [line for _, line in cases], log_format)
    expected = [expected_row(line, log_format) for _, line in cases]
    assert [(line, *row) for (_, line), row in zip(cases, found, strict=True)] == [
        (line, *row) for (_, line), row in zip(cases, expected, strict=True)
    ]
    assert [(line, row[0]) for (_, line), row in zip(cases, found, strict=True)] == [
        (line, verdict) for verdict, line in cases
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_file_is_that_of_its_lines(session: Any, kind: str) -> None:
    names = ("registered", "app_loaded", "clicked", "", None, ...)
    lines = [line(event=name, channel="x", device_type="y").encode() for name in names]
    lines += [b"", b"{}", b"5"]
    found = found_rows(session, lines, DEFAULT, kind)
    assert found == [expected_row(each, DEFAULT, kind) for each in lines]
    assert [row[0] for row in found] == [
        *(kind,) * len(names),
        *("blank", "missing_timestamp", "invalid_json"),
    ]


def test_raw_text_of_rejected_lines_is_valid_and_cut(session: Any) -> None:
    lines = [
        b"x\r\r",
        b"\r\rx\ry\r",
        b"not UTF-8: \xff\xc3(",
        b"x" * RAW_LIMIT,
        "é".encode() * (RAW_LIMIT + 1),
    ]
    found = found_rows(session, lines, DEFAULT)
    assert [row[-1] for row in found] == [kept_text(line) for line in lines]
    assert found[-1][-1] == "é" * RAW_LIMIT + CUT_MARK


def test_text_that_is_json_is_taken_for_the_value(session: Any) -> None:
    """A difference to `read_line`, for which a path does not lead into text."""
    stringified = nested(context=json.dumps({"campaign": {"source": "ad"}})).encode()
    ((verdict, *_, device, channel, _plan, _quoted, _referrer, _raw),) = found_rows(
        session, [stringified], NESTED
    )
    assert (verdict, device, channel) == ("registered", None, "ad")


# ---------------------------------------------------------------- lines of any kind

NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from((0.5, -2.25, 100.125))
JSON_SCALARS = st.none() | st.booleans() | NUMBERS | texts()
# Texts that are JSON objects or arrays are not among them: see the test above.
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
CLOCKS = st.datetimes(
    EARLIEST.replace(tzinfo=None) - timedelta(days=2), RUN_STARTED.replace(tzinfo=None)
)
ENDINGS = ("", "Z", " UTC", "+01", "-0330", "+05:45", "+18", "-18:00")
BAD_ENDINGS = ("z", "+19", "+05:60", "+18:01", " GMT", "x")
TIMESTAMPS = st.builds(
    lambda clock, between, fraction, ending: (
        f"{clock:%Y-%m-%d}{between}{clock:%H:%M:%S}{fraction}{ending}"
    ),
    CLOCKS,
    st.sampled_from(("T",) * 6 + (" ", " ", "t", "")),
    st.sampled_from(("", "", ".5", ".123456", ".9999999", ".")),
    st.sampled_from((*ENDINGS, *ENDINGS, *ENDINGS, *BAD_ENDINGS)),
)
EPOCHS = st.builds(
    lambda seconds, unit, as_text: str(seconds * unit) if as_text else seconds * unit,
    st.integers(99_999_990, 4_200_000_010) | st.integers(10**9, 17 * 10**8),
    st.sampled_from((1, 1.5, 10**3, 10**6, 10**9, 10**12)),
    st.booleans(),
)
IDS = st.integers(1, 9) | st.integers(-(2**63), 2**63) | texts() | st.integers().map(str)
NAMES = ("registered", "app_loaded") * 3 + ("Signed Up", "Application Opened") * 3 + ("x",)
USUAL = {
    "event": st.sampled_from(NAMES),
    "timestamp": TIMESTAMPS | TIMESTAMPS | EPOCHS,
    "initiator_id": IDS,
    "userId": IDS,
    "userid": IDS,
    "context": st.fixed_dictionaries(
        {"app": st.sampled_from(({"name": "shop"}, {"name": "shop"}, {"name": "blog"}, "shop"))},
        optional={
            "campaign": st.fixed_dictionaries({"source": JSON_VALUES}) | JSON_VALUES,
            "device": JSON_VALUES,
            "traits": st.fixed_dictionaries({"id": IDS | JSON_VALUES}),
            "it's": JSON_VALUES,
        },
    ),
    "ids": st.lists(st.fixed_dictionaries({"value": IDS}) | JSON_VALUES, max_size=3),
    **dict.fromkeys(("channel", "device_type"), JSON_VALUES),
}
ODD = st.dictionaries(
    st.sampled_from([*USUAL, "type", "originalTimestamp"]), JSON_VALUES, max_size=1
)
RECORDS = st.tuples(
    st.fixed_dictionaries(USUAL), ODD, st.sets(st.sampled_from([*USUAL]), max_size=1)
)


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """A line with one I-JSON object: most often an event in some log format."""
    usual, odd, missing = draw(RECORDS)
    record = {name: value for name, value in (usual | odd).items() if name not in missing}
    separators = draw(st.sampled_from(((",", ":"), (" , ", ": "))))
    text = json.dumps(record, ensure_ascii=draw(st.booleans()), separators=separators)
    return (
        draw(st.sampled_from(("", " ", "\t"))) + text + draw(st.sampled_from(("", "\r")))
    ).encode()


@pytest.mark.property
def test_any_lines_have_the_verdict_and_values_of_read_line(session: Any) -> None:
    kinds = st.none() | st.none() | st.sampled_from(KINDS)

    @EngineUnderTest("spark", COSTS["spark"]).examples(600)
    @given(st.lists(json_lines(), min_size=10, max_size=60), st.sampled_from(FORMATS), kinds)
    def check(lines: list[bytes], log_format: LogFormat, kind: str | None) -> None:
        found = found_rows(session, lines, log_format, kind)
        assert found == [expected_row(line, log_format, kind) for line in lines]

    check()
