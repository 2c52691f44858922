"""Lines whose verdict was worked out by hand, on every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import oracle
from support.engines import EngineUnderTest
from support.judged import assert_judged
from support.oracle import APP_LOADED, REGISTERED, JsonPath, LogFormat
from support.strategies import RUN_STARTED

from user_conversion.rules.timestamp_forms import TimestampForm


def with_fields(**paths: tuple[JsonPath, ...]) -> LogFormat:
    """The default log format with other paths."""
    return LogFormat(fields={**oracle.DEFAULT.fields, **paths})


DEFAULT = LogFormat()
TEXT_IDS = LogFormat(ids="text")
NESTED = LogFormat(
    events={REGISTERED: ("Signed Up", "User Registered"), APP_LOADED: ("Application Opened",)},
    fields={
        "event": (("event",), ("type",)),
        "timestamp": (("timestamp",), ("originalTimestamp",)),
        "initiator_id": (("userId",), ("context", "traits", "id"), ("ids", 1, "value")),
        "channel": (("context", "campaign", "source"),),
        "device_type": (("context", "device", "type"), ("context", "device")),
        "plan": (("ids", 0),),
        "source": (("params", ("key", "source"), "value", "text"),),
        "quoted": (("context", "it's"),),
        "referrer": (("context", "a.b", "$c"),),
    },
    ids="text",
    where={APP_LOADED: {("context", "app", "name"): ("shop", "true")}},
    exclude={
        ("context", "traits", "email"): ("*@our_shop.com", "!=boss@our_shop.com"),
        ("bot",): ("true", "7"),
    },
    unnamed=True,
    anonymous=True,
)
LOS_ANGELES = LogFormat(timezone="America/Los_Angeles", local_numbers=True)
KEYS, NUMBERED = (
    LogFormat(
        ids="text",
        fields={**oracle.DEFAULT.fields, "initiator_id": (("params", ("k", name), "v"),)},
    )
    for name in ("id", "7")
)
SHORT_FORM = LogFormat(timezone="Europe/Berlin", timestamp="%Y%m%d%H%M")
LORD_HOWE = LogFormat(timezone="Australia/Lord_Howe")
TWO_CASES = with_fields(initiator_id=(("userId",), ("userid",)), channel=())
FORMATS = (DEFAULT, TEXT_IDS, NESTED, LOS_ANGELES, LORD_HOWE, TWO_CASES, KEYS, NUMBERED, SHORT_FORM)

# ---------------------------------------------------------------- lines by hand


def event(**members: object) -> str:
    """A registration in the default log format with other members; without those that are ..."""
    usual = {"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": 1}
    chosen = {name: value for name, value in (usual | members).items() if value is not ...}
    return json.dumps(chosen)


def at(timestamp: object) -> str:
    return event(timestamp=timestamp)


def by(initiator_id: object) -> str:
    return event(initiator_id=initiator_id)


def nested(name: str | None = "Signed Up", context: object = None, **members: object) -> str:
    record = {"event": name, "timestamp": "2020-11-02T06:21:14Z", "userId": "u1"}
    return json.dumps(record | {"context": context} | members)


def keyed(params: object) -> str:
    return event(initiator_id=..., params=params)


LINES: list[tuple[LogFormat, str, str]] = [
    (DEFAULT, "registered", event()),
    (DEFAULT, "registered", event(channel="invite")),
    (DEFAULT, "registered", event(channel={"a": [1, None, "é"]})),
    (DEFAULT, "registered", "\t " + event() + " \r"),
    (DEFAULT, "registered", event(end="x", value="y", file="z", parts=[{}])),
    (DEFAULT, "app_loaded", event(event="app_loaded", device_type="mobile", channel="x")),
    (DEFAULT, "other", event(event="clicked")),
    (DEFAULT, "other", event(event="clicked", timestamp=..., initiator_id=...)),
    (DEFAULT, "other", event(event=5)),
    (DEFAULT, "blank", ""),
    (DEFAULT, "blank", " \t\v\f\r"),
    (DEFAULT, "invalid_json", "null"),
    (DEFAULT, "invalid_json", "5"),
    (DEFAULT, "invalid_json", '"registered"'),
    (DEFAULT, "invalid_json", f"[{event()}]"),
    (DEFAULT, "invalid_json", event()[:-1]),
    (DEFAULT, "invalid_json", event() + "x"),
    (DEFAULT, "invalid_json", event() + event()),
    (DEFAULT, "invalid_json", event() + "," + event()),
    (DEFAULT, "invalid_json", event() + "],[1"),
    (DEFAULT, "invalid_json", event() + ',{"end":""}],[1'),
    (DEFAULT, "missing_event", "{}"),
    (DEFAULT, "missing_event", event(event=None)),
    (DEFAULT, "missing_event", event(event="")),
    (DEFAULT, "missing_timestamp", at(...)),
    (DEFAULT, "missing_timestamp", event(timestamp=None, initiator_id=None)),
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
    (DEFAULT, "timestamp_out_of_range", event(timestamp="9999-12-31T00:00:00Z", initiator_id=None)),
    (DEFAULT, "invalid_timestamp", at("")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02")),
    (DEFAULT, "invalid_timestamp", at("2020-02-30T06:21:14Z")),
    (DEFAULT, "invalid_timestamp", at("2020-11-02T25:00:00Z")),
    (DEFAULT, "invalid_timestamp", at("now")),
    (DEFAULT, "invalid_timestamp", at(True)),
    (DEFAULT, "invalid_timestamp", at({"time": 1})),
    (DEFAULT, "registered", at(1604298074)),
    (DEFAULT, "registered", at("1604298074")),
    (DEFAULT, "registered", at(1604298074.123456)),
    (DEFAULT, "registered", at(1604298074123)),
    (DEFAULT, "registered", at(1604298074123456)),
    (DEFAULT, "registered", at(1604298074123456999)),
    (DEFAULT, "invalid_timestamp", at(0)),
    (DEFAULT, "invalid_timestamp", at(-1604298074)),
    (DEFAULT, "registered", at(1_000_000_000)),
    (DEFAULT, "invalid_timestamp", at(999_999_999)),
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
    (DEFAULT, "missing_initiator_id", by("")),
    (DEFAULT, "missing_initiator_id", by("null")),
    (DEFAULT, "missing_initiator_id", by("\\N")),
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
    *((TEXT_IDS, "missing_initiator_id", by(nobody)) for nobody in ("NULL", "None", "nan")),
    (TEXT_IDS, "missing_initiator_id", by("00000000-0000-0000-0000-000000000000")),
    (TEXT_IDS, "registered", by("nobody")),
    (TEXT_IDS, "registered", by("5e10")),
    (TEXT_IDS, "invalid_initiator_id", by("1.23457E+15")),
    (TEXT_IDS, "invalid_initiator_id", by("7,65612e+16")),
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
    (KEYS, "registered", keyed([{"k": "a", "v": 1}, 5, {"k": "id", "v": "u1"}, {"k": "id"}])),
    (KEYS, "missing_initiator_id", keyed([{"k": "ID", "v": "u1"}, {"id": "u2"}, None, "id", []])),
    (KEYS, "missing_initiator_id", keyed([{"k": "id", "v": None}, {"k": "id", "v": "u1"}])),
    (KEYS, "missing_initiator_id", keyed({"k": "id", "v": "u1"})),
    (KEYS, "missing_initiator_id", keyed(None)),
    (KEYS, "missing_initiator_id", keyed([])),
    (KEYS, "invalid_initiator_id", keyed([{"k": "id", "v": 3.5}])),
    (NUMBERED, "registered", keyed([{"k": "7", "v": "u1"}])),
    (NUMBERED, "registered", keyed([{"k": 70, "v": "u0"}, {"k": 7, "v": "u1"}])),
    (SHORT_FORM, "registered", at("202011020621")),
    (SHORT_FORM, "registered", at(202011020621)),
    (SHORT_FORM, "registered", at("2020-11-02T06:21:14Z")),
    (SHORT_FORM, "invalid_timestamp", at("202013020621")),
    (SHORT_FORM, "registered", at(1604298074)),
    (NESTED, "excluded", nested(bot=True)),
    (NESTED, "excluded", nested(bot=7, timestamp="x", userId=None)),
    (NESTED, "other", nested("Application Opened", bot=True)),
    (NESTED, "registered", nested(bot=False)),
    (NESTED, "registered", nested(bot="truer")),
    (NESTED, "excluded", nested(context={"traits": {"email": "ann@our_shop.com"}})),
    (NESTED, "excluded", nested(context={"traits": {"email": "a\n'%@our_shop.com"}})),
    (NESTED, "registered", nested(context={"traits": {"email": "ann@our-shop.com"}})),
    (NESTED, "registered", nested(context={"traits": {"email": "ann@our_shop.com.au"}})),
    (NESTED, "registered", nested(context={"traits": {"email": "ANN@OUR_SHOP.COM"}})),
    (NESTED, "registered", nested(context={"traits": {"email": "boss@our_shop.com"}})),
    (TWO_CASES, "registered", event(userid=2)),
    (TWO_CASES, "registered", event(userId=3, userid=2)),
    (TWO_CASES, "missing_initiator_id", event(userID=3)),
]


@pytest.mark.parametrize("log_format", FORMATS)
def test_lines_have_the_verdict_worked_out_by_hand(
    engine: EngineUnderTest, tmp_path: Path, log_format: LogFormat
) -> None:
    cases = [(verdict, text.encode()) for used, verdict, text in LINES if used is log_format]
    for verdict, each in cases:
        assert oracle.classify(each, RUN_STARTED, log_format).counted_as == verdict, each
    assert_judged(engine, tmp_path, [[each for _, each in cases]], log_format)


def test_a_form_with_a_fraction_and_an_offset() -> None:
    form = TimestampForm.of("%d.%m.%Y %H:%M:%S.%f %z")
    assert form.rewritten("02.11.2020 06:21:14.5 +0100") == "2020-11-02 06:21:14.5+0100"
    assert form.rewritten("02.11.2020 06:21:14.5") == "02.11.2020 06:21:14.5"
    assert TimestampForm.of("%d/%m/%Y").rewritten("02/11/2020") == "2020-11-02 00:00:00"
