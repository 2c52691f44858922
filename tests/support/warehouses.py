"""Warehouses under test: real servers on sockets of their own, and libraries in this process.

Each runs a script, a list of statements, and returns the rows of its queries as texts.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from support.oracle import Event
from support.processes import wait_until

Rows = list[tuple[str | None, ...]]
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu")
END = "end of an answer"


@dataclass(frozen=True)
class Warehouse:
    """A dialect of `user-conversion sql`, the types of its columns, and how it runs a script."""

    dialect: str
    run: Callable[[Sequence[str]], list[Rows]]
    types: tuple[str, str, str] = ("TEXT", "TIMESTAMP", "BIGINT")
    time: str = "'{:%Y-%m-%d %H:%M:%S.%f}'"
    table_end: str = ""

    @property
    def has_zones(self) -> bool:
        return self.dialect != "sqlite"

    def table(self, name: str, columns: Sequence[str], events: Iterable[Event]) -> list[str]:
        """Statements that make a table of events: their kind, time, id and channel."""
        text, time, number = self.types
        pairs = zip(columns, (text, time, number, text), strict=True)
        rows = ", ".join(
            f"('{event.kind}', {self.time.format(event.time.astimezone(UTC))}, "
            f"{event.initiator_id}, {quoted(event.channel)})"
            for event in events
        )
        return [
            f"DROP TABLE IF EXISTS {name}",
            f"CREATE TABLE {name} ({', '.join(map(' '.join, pairs))}){self.table_end}",
            f"INSERT INTO {name} VALUES {rows}",
        ]


def quoted(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def is_query(statement: str) -> bool:
    return statement.startswith(("--", "SELECT", "WITH"))


def answers(script: Sequence[str], execute: Callable[[str], Any]) -> list[Rows]:
    """Runs a script in this process; `execute` returns the rows of a statement."""
    found: list[Rows] = []
    for statement in script:
        rows = execute(statement)
        if is_query(statement):
            found.append([tuple(v if v is None else str(v) for v in row) for row in rows])
    return found


def by_client(script: Sequence[str], command: Sequence[str], **dialect: Any) -> list[Rows]:
    """Runs a script in one call of a server's own client, which prints NULL as NULL."""
    ends = [f"SELECT '{END}'" if is_query(statement) else "" for statement in script]
    text = "".join(
        f"{statement};\n{end};\n" if end else f"{statement};\n"
        for statement, end in zip(script, ends, strict=True)
    )
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr[-2000:]
    found: list[Rows] = [[]]
    for row in csv.reader(io.StringIO(done.stdout), **dialect):
        if row == [END]:
            found.append([])
        else:
            found[-1].append(tuple(None if value == "NULL" else value for value in row))
    return found[:-1]


@contextmanager
def duckdb_library() -> Iterator[Warehouse]:
    import duckdb

    with duckdb.connect() as connection:
        # Not the zone of the timestamps, so that a query which depends on it fails.
        connection.execute("SET TimeZone = 'America/New_York'")
        yield Warehouse(
            "duckdb", lambda script: answers(script, lambda sql: connection.execute(sql).fetchall())
        )


@contextmanager
def sqlite_library() -> Iterator[Warehouse]:
    connection = sqlite3.connect(":memory:")
    yield Warehouse(
        "sqlite",
        lambda script: answers(script, connection.execute),
        ("TEXT", "TEXT", "INTEGER"),
        "'{:%Y-%m-%dT%H:%M:%S.%fZ}'",
    )
    connection.close()


@contextmanager
def clickhouse_library() -> Iterator[Warehouse]:
    session = pytest.importorskip("chdb.session").Session()

    def execute(sql: str) -> Rows:
        text = session.query(sql, "CSV").data()
        return [
            tuple(None if value == r"\N" else value for value in row)
            for row in csv.reader(io.StringIO(text))
        ]

    session.query("SET session_timezone = 'America/New_York'")
    yield Warehouse(
        "clickhouse",
        lambda script: answers(script, execute),
        ("Nullable(String)", "DateTime64(6, 'UTC')", "Int64"),
        table_end=" ENGINE = Memory",
    )
    session.close()


def program(*names: str) -> str:
    """The path of a server's program. Skips the test if it is not installed."""
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    path = os.pathsep.join([*folders, os.environ["PATH"], "/usr/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.skip(f"{names[0]} is not installed: apt-get install postgresql mariadb-server")


@contextmanager
def server_folder(user: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder for a server's data, and the words before a command that run it as its owner."""
    # Sockets have short paths, and the other user must be able to reach them.
    folder = Path(tempfile.mkdtemp(prefix="warehouse-"))
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    try:
        yield folder, as_user
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server() -> Iterator[Warehouse]:
    initdb, server, client = program("initdb"), program("postgres"), program("psql")
    with server_folder("postgres") as (folder, as_user):
        options = ["--auth=trust", "--username=test", "--locale=C.UTF-8", "--no-sync"]
        quietly(*as_user, initdb, f"--pgdata={folder}/data", *options)
        settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off"]
        settings += ["timezone=America/New_York", "client_min_messages=warning"]
        words = [server, "-D", f"{folder}/data", *(f"-c{each}" for each in settings)]
        psql = [client, f"--host={folder}", "--username=test", "--dbname=postgres"]
        psql += ["--no-psqlrc", "--quiet", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        psql += ["--pset=null=NULL"]
        with running([*as_user, *words], [*psql, "--command=SELECT 1"]):
            yield Warehouse("postgres", lambda script: by_client(script, psql))


@contextmanager
def mariadb_server() -> Iterator[Warehouse]:
    install, server = program("mariadb-install-db"), program("mariadbd")
    client, zones = program("mariadb"), program("mariadb-tzinfo-to-sql", "mysql_tzinfo_to_sql")
    with server_folder("mysql") as (folder, as_user):
        data = ["--no-defaults", f"--datadir={folder}/data"]
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        quietly(*as_user, install, *data, *options)
        words = [server, *data, f"--socket={folder}/socket", "--skip-networking"]
        words += [f"--pid-file={folder}/pid", "--default-time-zone=-05:00"]
        sql = [client, "--no-defaults", f"--socket={folder}/socket", "--user=root", "--batch"]
        sql += ["--skip-column-names", "--default-character-set=utf8mb4"]
        with running([*as_user, *words], [*sql, "--execute=SELECT 1"]):
            for zone in ZONES:
                rules = quietly(zones, f"/usr/share/zoneinfo/{zone}", zone)
                subprocess.run([*sql, "mysql"], input=rules, check=True)
            quietly(*sql, "--execute=CREATE DATABASE test CHARACTER SET utf8mb4")
            yield Warehouse(
                "mariadb",
                lambda script: by_client(
                    script, [*sql, "test"], delimiter="\t", quoting=csv.QUOTE_NONE
                ),
                ("VARCHAR(200)", "DATETIME(6)", "BIGINT"),
            )


def quietly(*words: str) -> bytes:
    done = subprocess.run(words, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


@contextmanager
def running(server: Sequence[str], ping: Sequence[str]) -> Iterator[None]:
    """A server that answers, until the end of the block."""
    process = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: subprocess.run(ping, capture_output=True).returncode == 0)
        yield
    finally:
        process.terminate()
        process.wait(60)


WAREHOUSES = {
    "duckdb": duckdb_library,
    "sqlite": sqlite_library,
    "clickhouse": clickhouse_library,
    "postgres": postgres_server,
    "mariadb": mariadb_server,
}
