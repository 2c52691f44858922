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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from support.processes import wait_until

Rows = list[tuple[str | None, ...]]
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu")
END = "end of an answer"


@dataclass(frozen=True)
class Warehouse:
    """A dialect of `user-conversion sql`, and how it runs a script and writes a table.

    `types` are those of columns of texts, times and ids.
    """

    dialect: str
    run: Callable[[Sequence[str]], list[Rows]]
    types: Mapping[type, str] = field(
        default_factory=lambda: {str: "TEXT", datetime: "TIMESTAMP", date: "DATE", int: "BIGINT"}
    )
    time: str = "'{:%Y-%m-%d %H:%M:%S.%f}'"
    quote: str = '"'
    backslash: str = "\\"
    apostrophe: str = "''"
    table_end: str = ""
    host: str = ""
    logs: int = 200

    @property
    def has_zones(self) -> bool:
        return self.dialect != "sqlite"

    def table(
        self, name: str, columns: Mapping[str, type], rows: Iterable[Sequence[object]]
    ) -> list[str]:
        """Statements that make a table."""
        pairs = [f"{self.name(each)} {self.types[kind]}" for each, kind in columns.items()]
        values = (f"({', '.join(map(self.value, row))})" for row in rows)
        return [
            f"DROP TABLE IF EXISTS {self.name(name)}",
            f"CREATE TABLE {self.name(name)} ({', '.join(pairs)}){self.table_end}",
            f"INSERT INTO {self.name(name)} VALUES {', '.join(values)}",
        ]

    def name(self, name: str) -> str:
        escaped = name.replace("\\", self.backslash) if self.dialect == "clickhouse" else name
        return self.quote + escaped.replace(self.quote, self.quote * 2) + self.quote

    def value(self, value: object) -> str:
        if isinstance(value, datetime):
            return self.time.format(value.astimezone(UTC))
        if isinstance(value, date):
            return f"'{value}'"
        if isinstance(value, str):
            return "'" + value.replace("\\", self.backslash).replace("'", self.apostrophe) + "'"
        return "NULL" if value is None else str(value)


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
        {str: "TEXT", datetime: "TEXT", date: "TEXT", int: "INTEGER"},
        time="'{:%Y-%m-%dT%H:%M:%S.%fZ}'",
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
        {str: "Nullable(String)", datetime: "DateTime64(6, 'UTC')", date: "Date", int: "Int64"},
        quote="`",
        backslash=r"\\",
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
            yield Warehouse("postgres", lambda script: by_client(script, psql), host=str(folder))


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
        sql = [
            client,
            "--no-defaults",
            f"--socket={folder}/socket",
            "--user=root",
            "--batch",
            "--raw",
        ]
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
                {str: "VARCHAR(200)", datetime: "DATETIME(6)", date: "DATE", int: "BIGINT"},
                quote="`",
                backslash=r"\\",
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


class SparkViews(Warehouse):
    """Spark keeps the tables in memory, as views."""

    def table(
        self, name: str, columns: Mapping[str, type], rows: Iterable[Sequence[object]]
    ) -> list[str]:
        named = ", ".join(map(self.name, columns))
        cast = (
            f"CAST({self.name(each)} AS {self.types[kind]}) AS {self.name(each)}"
            for each, kind in columns.items()
        )
        values = ", ".join(f"({', '.join(map(self.value, row))})" for row in rows)
        view = f"SELECT {', '.join(cast)} FROM VALUES {values} AS t({named})"
        return [f"CREATE OR REPLACE TEMP VIEW {self.name(name)} AS {view}"]


@contextmanager
def spark(session: Any) -> Iterator[Warehouse]:
    zone = session.conf.get("spark.sql.session.timeZone")
    session.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield SparkViews(
        "spark",
        lambda script: answers(script, lambda sql: session.sql(sql).collect()),
        {str: "STRING", datetime: "TIMESTAMP", date: "DATE", int: "BIGINT"},
        time="TIMESTAMP '{:%Y-%m-%d %H:%M:%S.%f}Z'",
        quote="`",
        backslash=r"\\",
        apostrophe=r"\'",
        logs=4,
    )
    session.conf.set("spark.sql.session.timeZone", zone)


WAREHOUSES = {
    "duckdb": duckdb_library,
    "sqlite": sqlite_library,
    "clickhouse": clickhouse_library,
    "postgres": postgres_server,
    "mariadb": mariadb_server,
}
