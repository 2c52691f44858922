"""`user-conversion sql`: the query on real warehouses, judged by the definition in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest
from support.oracle import APP_LOADED, DEFINITIONS, REGISTERED, WEEK, Event, measure
from support.strategies import AROUND_A_BORDER
from support.warehouses import WAREHOUSES, ZONES, Rows, Warehouse

from user_conversion.metric.warehouse.query import warehouse_query
from user_conversion.rules.definitions import definition
from user_conversion.rules.log_format import LogFormat

COLUMNS = ("event", "timestamp", "initiator_id", "channel")
# Mondays around the turn of a year, a leap day, and changes of clocks.
MONDAYS = [
    date(year, month, day)
    for year, month, day in (
        *((2015, 12, 28), (2018, 12, 24), (2020, 12, 28), (2024, 12, 30), (2009, 12, 28)),
        *((2020, 2, 24), (2020, 3, 23), (2020, 10, 19), (2020, 11, 2)),
    )
]


@pytest.fixture(params=WAREHOUSES, scope="module")
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with WAREHOUSES[request.param]() as opened:
        yield opened


def query(
    warehouse: Warehouse, definition_name: str = "next-week", zone: str = "UTC", **more: Any
) -> str:
    form = more.pop("log_format", LogFormat())
    return warehouse_query(warehouse.dialect, form, definition(definition_name), zone, **more)


def expected(events: list[Event], definition_name: Any, zone: str) -> Rows:
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
            + random.choice((0, 0, -5.75, -1, 7, 8)) * WEEK / 168
            + random.choice(AROUND_A_BORDER),
            random.choice(users),
            random.choice((None, "ads", "Ads", "invite")),
        )
        for _ in range(random.randint(1, 16))
    ]


def test_random_logs_are_judged_as_the_definition_says(warehouse: Warehouse) -> None:
    random = Random(20201102)
    zones = ZONES if warehouse.has_zones else ZONES[:1]
    queries = {zone: [query(warehouse, name, zone) for name in DEFINITIONS] for zone in zones}
    script, wanted = [], []
    for number in range(200):
        events, zone = random_log(random), zones[number % len(zones)]
        script += [*warehouse.table("events", COLUMNS, events), *queries[zone]]
        wanted += [expected(events, name, zone) for name in DEFINITIONS]
    for number, (rows, right) in enumerate(zip(warehouse.run(script), wanted, strict=True)):
        assert rows == right, f"log {number // 3}"
