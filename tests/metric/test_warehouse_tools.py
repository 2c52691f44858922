"""The dbt model on real warehouses, and the query on an emulator of Snowflake.

Both tools come from an environment of their own: scripts/environment warehouses.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from support.command import command
from support.oracle import APP_LOADED, REGISTERED
from support.repository import ROOT
from support.warehouses import Rows, Warehouse, answers, postgres_server

from user_conversion.metric.warehouse.query import warehouse_query
from user_conversion.rules.definitions import definition
from user_conversion.rules.log_format import LogFormat

TOOLS = ROOT / ".venv-warehouses" / "bin"
pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("warehouses"),
    pytest.mark.skipif(
        not TOOLS.exists(), reason="dbt is not installed: scripts/environment warehouses"
    ),
]

COLUMNS = {"event": str, "timestamp": datetime, "initiator_id": int}
ZONE = "Europe/Berlin"


@contextmanager
def duckdb_file(folder: Path) -> Iterator[tuple[Warehouse, dict[str, object]]]:
    import duckdb

    file = folder / "events.duckdb"

    def run(script: list[str]) -> list[Rows]:
        with duckdb.connect(file) as connection:
            return answers(script, lambda sql: connection.execute(sql).fetchall())

    yield Warehouse("duckdb", run), {"type": "duckdb", "path": str(file)}


@contextmanager
def postgres(_: Path) -> Iterator[tuple[Warehouse, dict[str, object]]]:
    with postgres_server() as server:
        login = {"user": "test", "password": "", "port": 5432, "dbname": "postgres"}
        yield server, {"type": "postgres", "host": server.host, "schema": "public"} | login


def dbt(project: Path, *words: str) -> None:
    environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    folders = ["--project-dir", str(project), "--profiles-dir", str(project)]
    done = subprocess.run(
        [TOOLS / "dbt", *words, *folders],
        capture_output=True,
        text=True,
        env=environment,
        cwd=project,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize("opened", [duckdb_file, postgres], ids=["duckdb", "postgres"])
def test_dbt_builds_the_rows_of_the_query(opened: object, tmp_path: Path) -> None:
    """From nothing, with more weeks (only the last ones are computed), and with other names."""
    random, begin = Random(3), datetime(2020, 12, 1, tzinfo=UTC)
    events = [
        (
            random.choice((REGISTERED, APP_LOADED, APP_LOADED)),
            begin + random.randint(0, 60 * 24) * timedelta(hours=1),
            random.randint(1, 60),
        )
        for _ in range(600)
    ]
    early = [event for event in events if event[1] < begin + timedelta(days=33)]
    project = tmp_path / "project"
    with opened(tmp_path) as (warehouse, profile):  # type: ignore[operator]
        words = ["--dialect", warehouse.dialect, "--dbt", str(project), "--timezone", ZONE]
        written = command("sql", *words)
        assert written.status == 0, written.err
        output = {"target": "test", "outputs": {"test": profile}}
        (project / "profiles.yml").write_text(json.dumps({"user_conversion": output}))
        wanted = warehouse_query(
            warehouse.dialect, LogFormat(), definition("next-week"), ZONE, ["events"]
        )
        built = "SELECT * FROM weekly_user_conversion ORDER BY registration_week"
        before: Rows = []
        for rows in (early, events):
            warehouse.run(warehouse.table("events", COLUMNS, rows))
            dbt(project, "build")
            found, right = warehouse.run([built, wanted])
            assert found == right
            assert before != found
            before = found
        # A complete week stays as it was built, until it is built anew.
        warehouse.run(["DELETE FROM events WHERE initiator_id < 20"])
        dbt(project, "build")
        assert warehouse.run([built])[0][:2] == before[:2]
        dbt(project, "build", "--full-refresh")
        found, right = warehouse.run([built, wanted])
        assert found == right
        assert found[:2] != before[:2]
        names = {"conversion_registered": "'nothing'", "conversion_timezone": "UTC"}
        dbt(project, "build", "--full-refresh", "--vars", json.dumps(names))
        assert warehouse.run([built]) == [[]]
        assert "exists" in command("sql", *words).err


SNOWFLAKE = """
import sys, warnings
warnings.simplefilter("ignore")
import fakesnow, snowflake.connector
with fakesnow.patch():
    cursor = snowflake.connector.connect(database="db", schema="public").cursor()
    *script, query = sys.stdin.read().split(";;")
    for statement in script:
        cursor.execute(statement)
    print(cursor.execute(query).fetchall())
"""


@pytest.mark.parametrize("zone", ["UTC", ZONE])
def test_an_emulator_of_snowflake_answers_the_worked_example(zone: str) -> None:
    rows = """
        ('registered', '2020-11-02 06:21:14', 1), ('registered', '2020-11-02 07:00:14', 2),
        ('registered', '2020-11-03 07:00:14', 3), ('app_loaded', '2020-11-03 06:24:42', 1),
        ('app_loaded', '2020-11-11 10:13:42', 2), ('app_loaded', '2020-11-12 11:08:42', 2),
        ('app_loaded', '2020-11-17 11:08:42', 3)
    """
    script = [
        "CREATE TABLE events (event VARCHAR, timestamp TIMESTAMP_NTZ, initiator_id BIGINT)",
        f"INSERT INTO events VALUES {rows}",
        warehouse_query("snowflake", LogFormat(), definition("next-week"), zone),
    ]
    done = subprocess.run(
        [TOOLS / "python", "-c", SNOWFLAKE], input=";;".join(script), capture_output=True, text=True
    )
    assert done.stdout == "[('2020-45', 3, 1, 33, 1)]\n", done.stderr[-2000:]
