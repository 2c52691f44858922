"""`user-conversion sql`: the query on real warehouses, judged by the definition in plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import ibis
import pytest
from support.oracle import APP_LOADED, BY_CALENDAR, DEFINITIONS, REGISTERED, WEEK, Event, measure
from support.repository import ROOT
from support.strategies import AROUND_A_BORDER
from support.warehouses import WAREHOUSES, ZONES, Rows, Warehouse, spark

import user_conversion
from user_conversion.metric.warehouse.query import warehouse_query
from user_conversion.rules.definitions import definition
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.presets import log_format
from user_conversion.rules.weeks import CALENDAR_COLUMNS

# One process starts the servers.
pytestmark = pytest.mark.xdist_group("warehouses")

COLUMNS = {"event": str, "timestamp": datetime, "initiator_id": int, "channel": str}
TEXT_IDS = COLUMNS | {"initiator_id": str}
# Mondays around the turn of a year, a leap day, and changes of clocks.
MONDAYS = [
    *(date(2009, 12, 28), date(2015, 12, 28), date(2018, 12, 24), date(2020, 12, 28)),
    *(date(2024, 12, 30), date(2020, 2, 24), date(2020, 3, 23), date(2020, 10, 19)),
]
# Quotes of every kind, escapes, statements, comments, reserved words.
ODD = (
    "it's",
    "C:\\new",
    "\\' OR 1 = 1 --",
    "'; DROP TABLE events; --",
    "`select`",
    "$x{{y}}",
    "Zoë",
)


@pytest.fixture(
    params=[*WAREHOUSES, pytest.param("spark", marks=pytest.mark.spark)], scope="module"
)
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    if request.param == "spark":
        opened = spark(request.getfixturevalue("spark_session"))
    else:
        opened = WAREHOUSES[request.param]()
    with opened as found:
        yield found


def query(warehouse: Warehouse, name: str = "next-week", zone: str = "UTC", **more: Any) -> str:
    form = more.pop("log_format", LogFormat())
    return warehouse_query(warehouse.dialect, form, definition(name), zone, **more)


def rows_of(events: Iterable[Event]) -> list[tuple[object, ...]]:
    return [(event.kind, event.time, event.initiator_id, event.channel) for event in events]


def expected(events: Sequence[Event], definition_name: Any, zone: str) -> Rows:
    """The rows of the query; gaps are not seen there."""
    return [
        (
            week.registration_week,
            str(week.total_registered),
            str(week.total_converted),
            str(week.conversion_rate),
            str(int(week.incomplete_because != "unfinished")),
        )
        for week in measure(events, zone, definition_name).weeks
    ]


def random_log(random: Random) -> list[Event]:
    """A few users around the borders of a few weeks, with duplicates and ties."""
    monday = datetime.combine(random.choice(MONDAYS), datetime.min.time(), UTC)
    users = random.sample((1, 2, 3, -1, 2**53 + 1, 2**63 - 1), 4)
    return [
        Event(
            random.choice((REGISTERED, APP_LOADED)),
            monday
            + random.choice((0, 0, 1, 1, 2, 3)) * WEEK
            + random.choice((0, 0, -5.75, -1, 7, 8)) * timedelta(hours=1)
            + random.choice(AROUND_A_BORDER),
            random.choice(users),
            random.choice((None, "ads", "Ads", "invite")),
        )
        for _ in range(random.randint(1, 16))
    ]


def test_random_logs_are_judged_as_the_definition_says(warehouse: Warehouse) -> None:
    random = Random(20201102)
    zones = ZONES if warehouse.has_zones else ZONES[:1]
    queries = {zone: [query(warehouse, name, zone) for name in BY_CALENDAR] for zone in zones}
    script, wanted = [], []
    for number in range(warehouse.logs):
        events, zone = random_log(random), zones[number % len(zones)]
        script += [*warehouse.table("events", COLUMNS, rows_of(events)), *queries[zone]]
        wanted += [expected(events, name, zone) for name in BY_CALENDAR]
    for number, (rows, right) in enumerate(zip(warehouse.run(script), wanted, strict=True)):
        assert rows == right, f"log {number // 3}"


WORKED_EXAMPLE = [
    ("registered", "2020-11-02T06:21:14Z", 1, "ads"),
    ("registered", "2020-11-02T07:00:14Z", 2, None),
    ("registered", "2020-11-03T07:00:14Z", 3, "ads"),
    ("app_loaded", "2020-11-03T06:24:42Z", 1, None),
    ("app_loaded", "2020-11-11T10:13:42Z", 2, None),
    ("app_loaded", "2020-11-12T11:08:42Z", 2, None),
    ("app_loaded", "2020-11-17T11:08:42Z", 3, None),
]


def example(*more: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [
        (event, datetime.fromisoformat(time), *others)
        for event, time, *others in (*WORKED_EXAMPLE, *more)
    ]


def test_segments_are_those_of_the_registration(warehouse: Warehouse) -> None:
    # The second registration of 3 is a duplicate; of two at one moment the first text is used.
    rows = example(
        ("registered", "2020-11-10T00:00:00Z", 3, "mail"),
        *(("registered", "2020-11-09T00:00:00Z", 4, channel) for channel in (None, "b", "a")),
    )
    script = [*warehouse.table("events", COLUMNS, rows), query(warehouse, by="channel")]
    assert set(warehouse.run(script)[0]) == {
        ("2020-45", "ads", "2", "0", "0", "1"),
        ("2020-45", None, "1", "1", "100", "1"),
        ("2020-46", "a", "1", "0", "0", "0"),
    }


def test_the_sample_has_the_weeks_of_our_own_run(warehouse: Warehouse, tmp_path: Path) -> None:
    if warehouse.dialect == "spark":
        pytest.skip("a statement with all rows of the sample is too much for Spark's parser")
    log = ROOT / "data-input"
    lines = [json.loads(line) for file in log.iterdir() for line in file.read_text().splitlines()]
    rows = [
        (line["event"], datetime.fromisoformat(line["timestamp"]), line["initiator_id"], None)
        for line in lines
    ]
    zone = "Europe/Berlin" if warehouse.has_zones else "UTC"
    script = warehouse.table("events", COLUMNS, rows)
    script += [query(warehouse, name, zone) for name in BY_CALENDAR]
    for name, found in zip(BY_CALENDAR, warehouse.run(script), strict=True):
        answer = user_conversion.run(log, tmp_path / name, timezone=zone, definition=name)
        assert [(row[0], int(row[1] or 0), int(row[2] or 0)) for row in found] == [
            (week.registration_week, week.total_registered, week.total_converted)
            for week in answer.result.weeks
        ]
        assert sum(int(row[1] or 0) for row in found) > 7000


def test_since_leaves_out_weeks_and_changes_no_other(warehouse: Warehouse) -> None:
    random = Random(7)
    since = date(2020, 11, 9)
    events = [
        Event(
            random.choice((REGISTERED, APP_LOADED)),
            datetime(2020, 11, 1, tzinfo=UTC) + random.randint(0, 30 * 24) * timedelta(hours=1),
            random.randint(1, 40),
        )
        for _ in range(200)
    ]
    script = warehouse.table("events", COLUMNS, rows_of(events))
    # A query takes seconds on Spark.
    for name in BY_CALENDAR[: warehouse.logs // 4]:
        script += [query(warehouse, name), query(warehouse, name, since=since)]
    found = warehouse.run(script)
    for every, some in zip(found[::2], found[1::2], strict=True):
        assert 0 < len(some) < len(every)
        assert some == [row for row in every if row[0] >= "2020-46"]  # type: ignore[operator]


def test_an_event_of_the_future_does_not_complete_a_week(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    rows = [("registered", now, 1, None), ("app_loaded", now + 60 * timedelta(days=1), 1, None)]
    script = [*warehouse.table("events", COLUMNS, rows), query(warehouse, "same-week")]
    assert [row[4] for row in warehouse.run(script)[0]] == ["0"]


def test_a_clock_that_is_wrong_makes_no_event(warehouse: Warehouse) -> None:
    rows = [
        ("registered", datetime(2020, 11, 2, tzinfo=UTC), 1, None),
        ("registered", datetime(2020, 11, 2, tzinfo=UTC), 2, None),
        ("app_loaded", datetime(2020, 11, 9, tzinfo=UTC), 1, None),
        ("app_loaded", datetime(2100, 11, 9, tzinfo=UTC), 2, None),
    ]
    if warehouse.dialect != "clickhouse":  # its dates begin in 1970
        rows.append(("registered", datetime(1950, 1, 1, tzinfo=UTC), 1, None))
    script = [*warehouse.table("events", COLUMNS, rows), query(warehouse)]
    assert warehouse.run(script) == [[("2020-45", "2", "1", "50", "0")]]


def test_sqlite_reads_each_form_of_an_instant() -> None:
    """Which is the same, or a microsecond later than another."""
    columns = {"event": str, "timestamp": str, "initiator_id": int}
    for first, load, converted in (
        ("2020-11-02T06:21:14.000Z", "2020-11-02T06:21:14Z", "1"),
        ("2020-11-02T06:21:14Z", "2020-11-02T06:21:14.000", "1"),
        ("2020-11-02 02:00:00.5+01:00", "2020-11-02T01:00:00.500Z", "1"),
        ("2020-11-02T06:21:14.000001Z", "2020-11-02T06:21:14Z", "0"),
        ("2020-11-02T06:21:14.25+00:00", "2020-11-02T06:21:14.249999Z", "0"),
    ):
        with WAREHOUSES["sqlite"]() as found:
            rows = [("registered", first, 1), ("app_loaded", load, 1)]
            script = [*found.table("events", columns, rows), query(found, "same-week")]
            assert [row[2] for row in found.run(script)[0]] == [converted], (first, load)


def test_an_event_without_a_time_is_left_out(warehouse: Warehouse) -> None:
    rows = [*example(), ("registered", None, 4, None), ("app_loaded", None, 1, None)]
    if warehouse.dialect == "clickhouse":
        types = {**warehouse.types, datetime: "Nullable(DateTime64(6, 'UTC'))"}
        warehouse = replace(warehouse, types=types)
    script = [*warehouse.table("events", COLUMNS, rows), query(warehouse)]
    assert warehouse.run(script) == [[("2020-45", "3", "1", "33", "1")]]


@pytest.mark.parametrize("server", ["duckdb", "postgres"])
def test_timestamps_with_a_time_zone_are_instants(server: str) -> None:
    with WAREHOUSES[server]() as found:
        types = {**found.types, datetime: "TIMESTAMP WITH TIME ZONE"}
        zoned = replace(found, types=types, time="'{:%Y-%m-%d %H:%M:%S.%f}+00'")
        script = zoned.table("events", COLUMNS, example())
        script += [query(zoned, zone=zone) for zone in ("UTC", "America/Los_Angeles")]
        assert zoned.run(script) == [
            [("2020-45", "3", "1", "33", "1")],
            # 1 and 2 registered on Sunday evening there, and 1 came back on Monday.
            [("2020-44", "2", "1", "50", "1"), ("2020-45", "1", "0", "0", "1")],
        ]


def test_two_tables_have_no_column_of_names(warehouse: Warehouse) -> None:
    columns = {"at": datetime, "who": int}
    script = [
        *warehouse.table("signups", columns, [r[1:3] for r in example() if r[0] == "registered"]),
        *warehouse.table("loads", columns, [r[1:3] for r in example() if r[0] != "registered"]),
        query(
            warehouse,
            log_format=log_format(fields={"timestamp": "at", "initiator_id": "who"}),
            tables=["registered=signups", "app_loaded=loads"],
        ),
    ]
    # The latest load is on the Tuesday after the window.
    assert warehouse.run(script) == [[("2020-45", "3", "1", "33", "1")]]


def test_texts_are_equal_only_if_all_characters_are(warehouse: Warehouse) -> None:
    """Whatever the server's collation is. Texts that stand for no user are left out."""
    nobody = ("", "null", "NULL", "None", "undefined", "nan", "\\N", None)
    nobody += ("00000000-0000-0000-0000-000000000000",)
    users = ("ann", "Ann", "ANN", "none", "Zoë", "Zoe", "it's", "C:\\new")
    time = datetime(2020, 11, 2, tzinfo=UTC)
    rows = [("registered", time, user, None) for user in (*users, *nobody)]
    rows += [("Registered", time, "other", None), ("app_loaded", time + WEEK, "Ann", None)]
    script = warehouse.table("events", TEXT_IDS, rows)
    script += [query(warehouse, log_format=LogFormat(ids="text"))]
    assert warehouse.run(script) == [[("2020-45", str(len(users)), "1", "13", "0")]]


def test_names_and_values_are_quoted(warehouse: Warehouse) -> None:
    """Nothing in a log format, a table's name or a field can end a text or a name."""
    time = datetime(2020, 11, 2, tzinfo=UTC)
    fields = {"event": "order", "timestamp": "from", "initiator_id": "it's; \\ `id`"}
    columns = {"order": str, "from": datetime, "it's; \\ `id`": int, "group by": str, "sel\\'": str}
    form = log_format(None, ODD, "app_loaded", fields | {"plan": '"group by"'})
    names = [(odd, time, number, odd, "'\\") for number, odd in enumerate(ODD)]
    others = [(odd, time, 100 + number, odd, "no") for number, odd in enumerate(ODD)]
    conditions = {REGISTERED: {("sel\\'",): ("'\\",)}}
    form = LogFormat("odd", "integer", form.events, form.fields, conditions)
    table = "ta'ble; \\ --"
    script = warehouse.table(table, columns, [*names, *others])
    script += [query(warehouse, log_format=form, tables=[table], by="plan")]
    found = warehouse.run(script)[0]
    assert Counter(row[1] for row in found) == Counter(ODD)
    assert {row[2:] for row in found} == {("1", "0", "0", "0")}


def test_fields_inside_json_are_read(warehouse: Warehouse) -> None:
    time = datetime(2020, 11, 2, tzinfo=UTC)
    payload = (
        '{"user": {"$id": "u1", "it\'s": [null, {"from": "ads"}]}, "app": {"name": "shop", "n": 7}}'
    )
    other = payload.replace("shop", "blog").replace("u1", "u2")
    fields = {"initiator_id": "payload.user.$id", "channel": "payload.user.it's[1].from"}
    if warehouse.dialect == "spark":
        payload, other = (text.replace("it's", "its") for text in (payload, other))
        fields["channel"] = fields["channel"].replace("'", "")
    form = log_format(None, (), (), fields)
    conditions = {("payload", "app", "name"): ("shop", "store"), ("payload", "app", "n"): ("7",)}
    where = {REGISTERED: conditions}
    form = LogFormat("json", "text", form.events, form.fields, where)
    columns = {"event": str, "timestamp": datetime, "payload": str}
    rows = [("registered", time, text) for text in (payload, other)]
    rows += [("app_loaded", time + WEEK, payload)]
    script = [*warehouse.table("events", columns, rows)]
    script += [query(warehouse, log_format=form, by="channel")]
    assert warehouse.run(script) == [[("2020-45", "ads", "1", "1", "100", "0")]]


def test_events_are_left_out(warehouse: Warehouse) -> None:
    columns = {"event": str, "timestamp": datetime, "initiator_id": str, "email": str, "plan": str}
    time = datetime(2020, 11, 2, tzinfo=UTC)
    users = [
        *(("ann", "ann@our.com", "pro"), ("boss", "boss@our.com", "pro"), ("eve", None, "pro")),
        *(("bob", "bob@else.com", "test"), ("zoe", "zoe@else.com", None), ("ida", "our.com", "x")),
        *(("rob", "rob@OUR.com", "pro"), ("tim", "tim@else.com", "test ")),
    ]
    exclude = {("email",): ("*@our.com", "!=boss@*"), ("plan",): ("test",)}
    where = {REGISTERED: {("plan",): ("!=x",)}}
    form = LogFormat(ids="text", where=where, exclude=exclude)
    rows = [("registered", time, *user) for user in users]
    script = [*warehouse.table("events", columns, rows), query(warehouse, log_format=form)]
    # boss, eve, zoe, rob and tim
    assert warehouse.run(script) == [[("2020-45", "5", "0", "0", "0")]]


# What docs/how-to/notebook-and-library.md says of each: what ends the query, or why it fails.
EXPRESSIONS_RUN = {
    "duckdb": "",
    "spark": "",
    "clickhouse": " SETTINGS join_use_nulls = 1, aggregate_functions_null_for_empty = 1",
}
EXPRESSIONS_FAIL = {"postgres": "min", "sqlite": "syntax error", "mariadb": "StructColumn"}
IBIS_NAMES = {"spark": "pyspark", "mariadb": "mysql"}


def expressions(definition_name: str, dialect: str) -> str:
    time = "timestamp(6)"
    events = {"initiator_id": "int64", "time": time}
    kinds = {"timestamp": time, "bigint": "int64"}
    calendar = {name: kinds.get(kind, kind) for name, kind in CALENDAR_COLUMNS.items()}
    registrations = user_conversion.earliest_registrations(
        ibis.table(events | {"channel": "string"}, name="signups"),
        ibis.table(calendar, name="calendar"),
    )
    users = user_conversion.registered_users(
        registrations,
        ibis.table(events | {"device_type": "string"}, name="loads"),
        ibis.table(calendar, name="calendar"),
    )
    converted = user_conversion.user_conversion(users, definition_name)
    weeks = user_conversion.weekly_summary(converted)
    return "-- Ibis\n" + ibis.to_sql(weeks, dialect=IBIS_NAMES.get(dialect, dialect))


def test_the_expressions_run_where_the_page_says(warehouse: Warehouse) -> None:
    days = (datetime(2020, 11, 1, tzinfo=UTC), datetime(2020, 12, 1, tzinfo=UTC))
    rows = example(("registered", "2020-11-03T07:00:14Z", 4, None))
    signups = [row[1:] for row in rows if row[0] == "registered"]
    loads = [row[1:] for row in rows if row[0] == "app_loaded"]
    kinds = {"date": date, "string": str, "bigint": int, "timestamp": datetime}
    script = [
        *warehouse.table(
            "signups", {"time": datetime, "initiator_id": int, "channel": str}, signups
        ),
        *warehouse.table(
            "loads", {"time": datetime, "initiator_id": int, "device_type": str}, loads
        ),
        *warehouse.table(
            "calendar",
            {name: kinds[kind] for name, kind in CALENDAR_COLUMNS.items()},
            user_conversion.calendar_rows(*days, UTC),
        ),
    ]
    name = warehouse.dialect
    if name in EXPRESSIONS_FAIL:
        with pytest.raises(Exception, match=EXPRESSIONS_FAIL[name]):
            warehouse.run([*script, expressions("next-week", name)])
        return
    queries = [expressions(each, name) + EXPRESSIONS_RUN[name] for each in DEFINITIONS]
    # 4 never loaded the app; 3 did two weeks after.
    assert warehouse.run([*script, *queries]) == [[("2020-45", "4", "1", "25")]] * 4
