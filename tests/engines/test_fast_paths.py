"""Every engine, with all its fast paths, gives what the slowest way gives: datasets and metric.

`reference` switches off every fast path at once, by the smallest change to the running code. The
product itself has no such switches.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from backports import zstd
from support.datasets import CONTRACT, read_dataset, row_counts
from support.engines import DUCKDB, EngineUnderTest
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
    as_toml,
    event_line,
    json_of,
    put,
    record_of,
)

from user_conversion.engines import ENGINES, Engine
from user_conversion.engines.duckdb import engine as duckdb_engine
from user_conversion.engines.duckdb import lines as duckdb_lines
from user_conversion.engines.duckdb import session as duckdb_session
from user_conversion.engines.duckdb.engine import DuckDBEngine
from user_conversion.inputs.files import Found, find_files
from user_conversion.jobs.conversion_rate import job as conversion_rate
from user_conversion.jobs.events_split import job as events_split

Patch = pytest.MonkeyPatch


# ---------------------------------------------------------------- without any fast path


def everything_is_slow(patch: Patch) -> None:
    """DuckDB reads line by line in Python, from copies, everything in every run, in one thread."""
    patch.setattr(DuckDBEngine, "read_events", Engine.read_events)
    patch.setattr(DuckDBEngine, "materialize", DuckDBEngine.create_view)
    patch.setitem(ENGINES, "duckdb", replace(ENGINES["duckdb"], compressions=frozenset()))
    patch.setitem(duckdb_session.SETTINGS, "threads", "1")
    patch.setattr(duckdb_engine, "_loaded", instant_cast_to("TIMESTAMP"))
    patch.setattr(duckdb_engine, "_stored", instant_cast_to("TIMESTAMPTZ"))
    second_job_reads_parquet(patch)
    everything_is_read_again(patch)


def second_job_reads_parquet(patch: Patch) -> None:
    added = conversion_rate.AddedEvents
    patch.setattr(conversion_rate, "last_state", lambda *_: None)
    patch.setattr(
        conversion_rate,
        "AddedEvents",
        lambda run, kept, split, state, *more: added(run, kept, None, None, *more),
    )


def everything_is_read_again(patch: Patch) -> None:
    plan = events_split._plan

    def plan_everything(run: Any, *rest: Any) -> Any:
        return plan(replace(run, settings=replace(run.settings, full_refresh=True)), *rest)

    patch.setattr(events_split, "_plan", plan_everything)


def instant_cast_to(timestamp: str) -> Callable[[str, str], str]:
    def column(name: str, kind: str) -> str:
        return f'"{name}"::{timestamp} AS "{name}"' if kind == "timestamp" else f'"{name}"'

    return column


# ---------------------------------------------------------------- ways to read and write


def nothing(_: Patch) -> None:
    """The engine as it is."""


def tables_are_large(patch: Patch) -> None:
    """Tables are on disk and written in portions."""
    patch.setattr(duckdb_lines, "SHARE_FOR_TABLES", 0)
    patch.setattr(duckdb_engine, "ROWS_WRITTEN_AT_ONCE", 1)


def every_file_seems_changed(patch: Patch) -> None:
    def find_touched(*arguments: Any) -> Found:
        for file in find_files(*arguments).files:
            os.utime(file.path, ns=(file.modified_ns, file.modified_ns + 1_000_000_000))
        return find_files(*arguments)

    patch.setattr(events_split, "find_files", find_touched)


WAYS = {
    "duckdb": (nothing, tables_are_large, every_file_seems_changed),
    "spark": (nothing,),
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
    exclude={("device",): ("test-*",), ("user", "email"): ("*@shop.com",)},
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
    return [*lines, *LISTED]


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
def log(name: str) -> Log:
    """The log of a name, of lines on which all parsers must agree."""
    random = Random(name)
    log_format, make_lines = LOGS[name]
    lines = [
        line
        for line in make_lines(random)
        if classify(line, RUN_STARTED, log_format).counted_as != UNDECIDED
    ]
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
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
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
    """All datasets; rejected lines as every engine keeps them, with sources below this folder.

    Java writes one replacement character for some sequences for which Python writes three.
    """
    ids = pa.int64() if log_format.ids == "integer" else pa.string()
    found = {name: row_counts(output, name, *log_format.attributes, ids=ids) for name in CONTRACT}
    found["rejected_events"] = Counter(
        (os.path.relpath(row.source), row.reason, re.sub("\ufffd+", "\ufffd", row.raw))
        for row in read_dataset(output, "rejected_events")
    )
    return found


@lru_cache
def reference(name: str) -> list[Any]:
    """The answers without any fast path."""
    with pytest.MonkeyPatch.context() as patch:
        everything_is_slow(patch)
        return answers(DUCKDB, log(name))


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize(
    ("engine", "way"),
    [
        pytest.param(
            *(engine, way),
            marks=() if engine == "duckdb" else (getattr(pytest.mark, engine), pytest.mark.long),
            id=f"{engine}, {way.__name__}",
        )
        for engine in ENGINES
        for way in WAYS[engine]
    ],
    indirect=["engine"],
)
def test_fast_paths_change_no_answer(
    engine: EngineUnderTest, way: Callable[[Patch], None], name: str, monkeypatch: Patch
) -> None:
    way(monkeypatch)
    assert answers(engine, log(name)) == reference(name)
