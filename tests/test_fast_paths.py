"""Every fast path gives what the slow path behind it gives: datasets, counts and metric.

`FAST_PATHS` has, for each fast path, a function that switches it off by the smallest change to
the running code. The product itself has no such switches.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from backports import zstd
from support.datasets import CONTRACT, row_counts
from support.engines import EngineUnderTest
from support.logs import scratch_folder
from support.oracle import (
    APP_LOADED,
    DEFAULT,
    EPOCH,
    REGISTERED,
    UNDECIDED,
    WEEK,
    Event,
    LogFormat,
    classify,
)
from support.strategies import (
    AROUND_A_BORDER,
    BAD_LINES,
    BLANK_LINES,
    FAULTS,
    INITIATOR_IDS,
    MONDAYS,
    OTHER_LINES,
    RUN_STARTED,
    TEXTS,
    UNDECIDED_LINES,
    as_toml,
    event_line,
    json_of,
    put,
    record_of,
)

from user_conversion.engines import ENGINES
from user_conversion.engines.duckdb import engine as duckdb_engine
from user_conversion.engines.duckdb import lines as duckdb_lines
from user_conversion.engines.duckdb import read_sql as duckdb_sql
from user_conversion.engines.duckdb import session as duckdb_session
from user_conversion.inputs.files import Found, find_files
from user_conversion.jobs import events_split

# ---------------------------------------------------------------- fast paths on every engine

Patch = pytest.MonkeyPatch


def python_decompresses(patch: Patch, engine: EngineUnderTest) -> None:
    patch.setitem(ENGINES, engine.name, replace(engine.can, compressions=frozenset()))


def everything_is_read_again(patch: Patch, _: EngineUnderTest) -> None:
    plan = events_split._plan

    def plan_everything(settings: Any, *rest: Any) -> Any:
        return plan(replace(settings, full_refresh=True), *rest)

    patch.setattr(events_split, "_plan", plan_everything)


def every_file_seems_changed(patch: Patch, _: EngineUnderTest) -> None:
    def find_touched(*arguments: Any) -> Found:
        for file in find_files(*arguments).files:
            os.utime(file.path, ns=(file.modified_ns, file.modified_ns + 1_000_000_000))
        return find_files(*arguments)

    patch.setattr(events_split, "find_files", find_touched)


def second_job_reads_parquet(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(events_split.SplitResult, "is_everything", False)


def tables_are_computed_where_used(patch: Patch, engine: EngineUnderTest) -> None:
    def create_view(engine: Any, table: str, sql: str) -> None:
        engine.create_view(table, sql)

    patch.setattr(f"{engine.can.home.replace(':', '.')}.materialize", create_view)


# ---------------------------------------------------------------- fast paths of DuckDB


def python_reads_every_line(patch: Patch, _: EngineUnderTest) -> None:
    parse = duckdb_lines.LineReader._parse

    def parse_and_leave_unclear(reader: Any, files: Any) -> None:
        parse(reader, files)
        reader._session.execute(f"UPDATE {reader._tables[-1]} SET kind = NULL")

    patch.setattr(duckdb_lines.LineReader, "_parse", parse_and_leave_unclear)


def timestamps_are_read_as_text(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(duckdb_lines, "typed_form", lambda *_: None)


def records_are_read_whole(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(duckdb_sql, "_has_similar_keys", lambda _: True)


def each_file_by_a_statement(patch: Patch, _: EngineUnderTest) -> None:
    group = duckdb_lines._group
    patch.setattr(duckdb_lines, "_group", lambda file: (*group(file), str(file.path)))


def one_thread(patch: Patch, _: EngineUnderTest) -> None:
    patch.setitem(duckdb_session.SETTINGS, "threads", "1")


def tables_are_on_disk(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(duckdb_lines, "SHARE_FOR_TABLES", 0)


def event_is_text(patch: Patch, _: EngineUnderTest) -> None:
    name_tables = duckdb_lines.LineReader._name_new_tables

    def name_and_copy(reader: Any) -> None:
        name_tables(reader)
        for table, event in (("new_user_registration", REGISTERED), ("new_app_loaded", APP_LOADED)):
            reader._session.execute(
                f"CREATE TABLE {table}_as_text AS "
                f"SELECT * REPLACE ('{event}'::VARCHAR AS event) FROM {table}"
            )
            reader._session.execute(f"CREATE OR REPLACE VIEW {table} AS FROM {table}_as_text")

    patch.setattr(duckdb_lines.LineReader, "_name_new_tables", name_and_copy)


def instants_are_cast(patch: Patch, _: EngineUnderTest) -> None:
    def cast_to(timestamp: str) -> Callable[[str, str], str]:
        def column(name: str, kind: str) -> str:
            return f'"{name}"::{timestamp} AS "{name}"' if kind == "timestamp" else f'"{name}"'

        return column

    patch.setattr(duckdb_engine, "_loaded", cast_to("TIMESTAMP"))
    patch.setattr(duckdb_engine, "_stored", cast_to("TIMESTAMPTZ"))


def each_partition_by_a_statement(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(duckdb_engine, "ROWS_WRITTEN_AT_ONCE", 1)


# ---------------------------------------------------------------- fast paths of Spark

SPARK = "user_conversion.engines.spark"


def types_of_all_ids_are_parsed(patch: Patch, _: EngineUnderTest) -> None:
    # A JSON integer can be read as a double, too; it always needs to be left out.
    patch.setattr(f"{SPARK}.record.LOOKS_LIKE_OTHER", r"\A(?!-?[0-9]+\z)")


def tables_are_in_the_cache(patch: Patch, _: EngineUnderTest) -> None:
    def keep(_engine: Any, table: str, rows: Any) -> None:
        rows.cache().createOrReplaceTempView(table)

    patch.setattr(f"{SPARK}.engine.SparkEngine._keep", keep)


def spark_is_not_tuned(patch: Patch, _: EngineUnderTest) -> None:
    patch.setattr(f"{SPARK}.session.TUNING", {"spark.sql.adaptive.enabled": "false"})
    patch.setattr(f"{SPARK}.engine.SparkEngine.write_options", {})


# ---------------------------------------------------------------- the table


@dataclass(frozen=True)
class FastPath:
    """How to switch a fast path off, the engines that have it, and the logs to try it with.

    If it `is_parser`, another parser reads the lines without it. The parsers may differ on
    undecided lines, so the log has none of those.
    """

    switch_off: Callable[[Patch, EngineUnderTest], None]
    engines: Sequence[str] = tuple(ENGINES)
    logs: Sequence[str] = ("nested",)
    is_parser: bool = False


on_duckdb = partial(FastPath, engines=["duckdb"], logs=("odd", "clean", "nested"))

FAST_PATHS = {
    "the engine decompresses": FastPath(python_decompresses),
    "only new files and lines are read": FastPath(everything_is_read_again),
    "an unchanged file is known by its time": FastPath(every_file_seems_changed),
    "the second job uses the tables of the first": FastPath(second_job_reads_parquet),
    "tables are computed once": FastPath(tables_are_computed_where_used),
    "SQL reads the clear lines": on_duckdb(python_reads_every_line, is_parser=True),
    "timestamps are parsed with the JSON": on_duckdb(timestamps_are_read_as_text, is_parser=True),
    "only the fields are parsed": on_duckdb(records_are_read_whole, is_parser=True),
    "one statement reads many files": on_duckdb(each_file_by_a_statement),
    "several threads": on_duckdb(one_thread),
    "tables are in memory": on_duckdb(tables_are_on_disk),
    "the event is a constant": on_duckdb(event_is_text),
    "instants without a calendar": on_duckdb(instants_are_cast),
    "one statement writes many partitions": on_duckdb(each_partition_by_a_statement),
    "types of few ids are parsed": FastPath(types_of_all_ids_are_parsed, ["spark"]),
    "tables are in files": FastPath(tables_are_in_the_cache, ["spark"]),
    "Spark is tuned": FastPath(spark_is_not_tuned, ["spark"]),
}


# ---------------------------------------------------------------- the logs


@dataclass(frozen=True, eq=False)
class Log:
    """Files by name as a first run finds them, then what is new for a second run."""

    log_format: LogFormat
    first: dict[str, bytes]
    second: dict[str, bytes]


NESTED = LogFormat(
    events={REGISTERED: ("Signed Up", "it's"), APP_LOADED: ("true",)},
    fields={
        "event": (("type",),),
        "timestamp": (("at", 1), ("at.utc",)),
        "initiator_id": (("user", "id"), ("user",)),
        "channel": (("from", "channel"),),
        "device_type": (("device",),),
        "plan": (("Plan",),),
    },
    ids="text",
    where={REGISTERED: {("app",): ("shop", "true")}},
    timezone="Europe/Berlin",
    local_numbers=True,
    unnamed=True,
    anonymous=True,
)
LISTED = [*OTHER_LINES, *BLANK_LINES, *(line for lines in BAD_LINES.values() for line in lines)]


def some_events(number: int, log_format: LogFormat, random: Random) -> list[Event]:
    """Events of a few users near the borders of four local weeks."""
    zone, found = ZoneInfo(log_format.timezone), []
    for _ in range(number):
        day, around = MONDAYS[1] + random.randrange(4) * WEEK, random.choice(AROUND_A_BORDER)
        time = EPOCH.replace(year=day.year, month=day.month, day=day.day, tzinfo=zone) + around
        user, text = random.choice(INITIATOR_IDS), random.choice((None, *TEXTS))
        id_ = user if log_format.ids == "integer" else f"{user}"
        if random.random() < 0.4:
            extra = tuple(random.choice((None, *TEXTS)) for _ in log_format.attributes)
            found.append(Event(REGISTERED, time, id_, channel=text, extra=extra))
        else:
            found.append(Event(APP_LOADED, time, id_, device_type=text))
    return [replace(event, time=event.time.astimezone(EPOCH.tzinfo)) for event in found]


def odd_lines(random: Random) -> list[bytes]:
    """Events in all notations, among every kind of bad line."""
    lines = [
        event_line(event, random.getrandbits(32)) for event in some_events(400, DEFAULT, random)
    ]
    return [*lines, *LISTED, *UNDECIDED_LINES]


def clean_lines(random: Random) -> list[bytes]:
    """So few odd lines that DuckDB goes on parsing timestamps with the JSON."""
    events = [event for event in some_events(4_000, DEFAULT, random) if not event.time.microsecond]
    few = random.sample(odd_lines(random), 40)
    return [*map(event_line, events), *few]


def nested_lines(random: Random) -> list[bytes]:
    """Events and damaged events of a log format with text ids, paths, conditions and a zone."""
    lines = []
    for event in some_events(300, NESTED, random):
        style = random.getrandbits(32)
        lines.append(event_line(event, style, NESTED))
        record = record_of(event, style, NESTED)
        paths = [path for paths in NESTED.fields.values() for path in paths]
        put(record, random.choice(paths), random.choice(FAULTS))
        lines.append(json_of(record, lambda: "").encode())
    return lines + LISTED


LOGS: dict[str, tuple[LogFormat, Callable[[Random], list[bytes]]]] = {
    "odd": (DEFAULT, odd_lines),
    "clean": (DEFAULT, clean_lines),
    "nested": (NESTED, nested_lines),
}


@lru_cache
def log(name: str, decided: bool) -> Log:
    """The log of a name; with `decided` lines only, all parsers must agree on it."""
    random = Random(name)
    log_format, make_lines = LOGS[name]
    lines = make_lines(random)
    if decided:
        verdicts = [classify(line, RUN_STARTED, log_format).counted_as for line in lines]
        lines = [line for line, each in zip(lines, verdicts, strict=True) if each != UNDECIDED]
    random.shuffle(lines)
    # A file without any good line would fail the run, and the first timestamp decides much.
    event = Event(REGISTERED, RUN_STARTED, "1" if log_format.ids == "text" else 1, extra=(None,))
    good = event_line(event, log_format=log_format)
    plain, grown, *more = (b"\n".join([good, *lines[n::5], b"%d" % n]) for n in range(5))
    # The first run finds the log in the middle of a line.
    cut = len(plain) // 2
    return Log(
        log_format,
        {
            "app.log": plain[:cut],
            "folder/plain.json": grown,
            "rotated.log.gz": gzip.compress(more[0]),
            "rotated.log.zst": zstd.compress(more[1]),
        },
        {"app.log": plain, "late.json.bz2": bz2.compress(more[2])},
    )


# ---------------------------------------------------------------- with and without


def answers(engine: EngineUnderTest, log: Log) -> list[Any]:
    """The rows of all datasets, and the metric with the counts of lines, after each of two runs."""
    found = []
    with scratch_folder() as folder, contextlib.chdir(folder):
        Path("format.toml").write_text(as_toml(log.log_format))
        for files in (log.first, log.second):
            for name, content in files.items():
                path = Path("logs", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            result = engine.run(Path("out"), Path("logs"), log_format="format.toml", by="channel")
            found.append((rows(Path("out"), log.log_format), result.as_json()))
    return found


def rows(output: Path, log_format: LogFormat) -> dict[str, Counter[tuple[Any, ...]]]:
    """All datasets; sources are relative to this folder, which differs between runs."""
    ids = pa.int64() if log_format.ids == "integer" else pa.string()
    found = {name: row_counts(output, name, *log_format.attributes, ids=ids) for name in CONTRACT}
    rejected = found["rejected_events"].items()
    found["rejected_events"] = Counter(
        {(os.path.relpath(source), *rest): count for (source, *rest), count in rejected}
    )
    return found


with_fast_paths = lru_cache(answers)


@pytest.mark.parametrize(
    ("engine", "fast_path", "name"),
    [
        pytest.param(
            *(engine, fast_path, name),
            marks=() if engine == "duckdb" else getattr(pytest.mark, engine),
            id=f"{engine}, {fast_path}, {name} log",
        )
        for fast_path, each in FAST_PATHS.items()
        for engine in each.engines
        for name in each.logs
    ],
    indirect=["engine"],
)
def test_fast_path_changes_no_answer(
    engine: EngineUnderTest, fast_path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = FAST_PATHS[fast_path]
    each = log(name, decided=path.is_parser)
    expected = with_fast_paths(engine, each)
    path.switch_off(monkeypatch, engine)
    assert answers(engine, each) == expected
