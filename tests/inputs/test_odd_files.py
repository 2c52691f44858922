"""Logs in other encodings, logs that were cut, and files that would fill the disk."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import assert_refused, command
from support.datasets import read_dataset
from support.engines import DUCKDB, EngineUnderTest, engines
from support.logs import app_loaded, registered, write_log

FIELDS = ("event", "timestamp", "initiator_id", "channel")
LATIN = st.text(st.characters(codec="cp1252", exclude_categories=["C"]), min_size=1, max_size=5)


def as_json(rows: list[dict[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_array(rows: list[dict[str, str]]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=1)


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    ("zone", "noon"),
    [
        ("America/Vancouver", "19:00"),  # its clocks went back no more in 2026
        ("Africa/Casablanca", "12:00"),  # it gave up its second hour in 2026
        ("EST", "17:00"),  # which Java does not know
    ],
)
@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_zones_are_the_same_whatever_their_age_elsewhere(
    tmp_path: Path, engine: EngineUnderTest, zone: str, noon: str
) -> None:
    """DuckDB reads one of two lines, Python the other; Java has zones of its own."""
    lines = [registered("2026-11-15 12:00:00", id_) for id_ in (7, "07")]
    log = write_log(tmp_path / "log.json", lines)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    engine.split(tmp_path / "out", log, log_format={"input": {"timezone": zone}}, now=now)
    rows = read_dataset(tmp_path / "out", "user_registration")
    assert [f"{row.time:%H:%M}" for row in rows] == [noon, noon]


@DUCKDB.examples(10)
@given(
    st.lists(st.tuples(LATIN, LATIN), min_size=1, max_size=5),
    st.sampled_from(["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"]),
    st.sampled_from([as_json, as_array, as_csv]),
    st.booleans(),
)
def test_an_encoding_changes_nothing(users, encoding, layout, is_packed) -> None:  # type: ignore[no-untyped-def]
    if encoding == "latin-1":
        users = [tuple(t.encode("latin-1", "ignore").decode("latin-1") for t in u) for u in users]
    rows = [
        dict(zip(FIELDS, (kind, f"2020-11-{day}T12:00:00Z", f"u{user}", channel), strict=True))
        for user, channel in users
        for kind, day in (("registered", "03"), ("app_loaded", "10"))
    ]
    with TemporaryDirectory() as folder:
        found = []
        for name in ("utf-8", encoding):
            data = layout(rows).encode(name)
            log = Path(folder, f"{name}.log")
            log.write_bytes(gzip.compress(data) if is_packed else data)
            form = Path(folder, f"{name}.toml")
            form.write_text(f'ids = "text"\n[input]\nencoding = "{name}"\n')
            output = Path(folder, name)
            done = command("run", "--input", log, "--log-format", form, "--output", output)
            assert done.status == 0, done.err
            rows_read = f"FROM read_parquet('{output}/user_registration/*/*/*') ORDER BY ALL"
            found.append(duckdb.sql(rows_read).fetchall())
        assert found[0] == found[1]


def test_what_is_not_in_the_encoding(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [registered("2020-11-03T12:00:00Z", 1), b"\xd8"])
    form = tmp_path / "form.toml"
    form.write_text('[input]\nencoding = "utf-16"\n')
    options = ["run", "--input", log, "--output", output, "--log-format", form]
    assert_refused(command(*options), log)
    form.write_text('[input]\nencoding = "klingon"\n')
    done = command(*options)
    assert done.status == 2
    assert "input.encoding: unknown encoding 'klingon'" in done.err


@pytest.mark.parametrize("streams", [["stdout"], ["stdout", "stderr"]])
def test_lines_that_docker_cut(tmp_path: Path, output: Path, streams: list[str]) -> None:
    """It writes at most 16 KiB a record; the parts of two streams may alternate."""
    events = [registered("2020-11-03T12:00:00Z", user, "x" * 99) for user in range(2)]
    events.append(app_loaded("2020-11-10T12:00:00Z", 0))
    parts: dict[str, list[dict[str, str]]] = {stream: [] for stream in streams}
    for place, event in enumerate(events):
        stream = streams[place % len(streams)]
        text = event + "\n"
        for start in range(0, len(text), 50):
            record = {"log": text[start : start + 50], "stream": stream, "time": "2020-11-03"}
            parts[stream].append(record)
    lines = []
    while any(parts.values()):
        lines += [json.dumps(left.pop(0)) for left in parts.values() if left]
    log = write_log(tmp_path / "docker.json", lines)
    form = tmp_path / "form.toml"
    form.write_text('[input]\nembedded = "log"\n')
    done = command("run", "--input", log, "--output", output, "--log-format", form)
    assert done.status == 0, done.err
    rows = read_dataset(output, "user_conversion")
    assert [(row.initiator_id, row.converted) for row in rows] == [(0, True), (1, False)]


def test_a_gzip_bomb(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("user_conversion.inputs.compression.BOMB_SIZE", 1 << 20)
    log = tmp_path / "bomb.json.gz"
    log.write_bytes(gzip.compress(b"\n" * (1 << 26)))
    done = command("run", "--input", log, "--output", output)
    assert_refused(done, log)
    assert "(a bomb)" in done.err


def test_a_parquet_bomb(tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("user_conversion.inputs.compression.BOMB_SIZE", 1 << 20)
    log = tmp_path / "bomb.parquet"
    row = "'registered' AS event, TIMESTAMP '2020-11-02' AS timestamp, 1 AS initiator_id"
    duckdb.sql(f"COPY (SELECT {row} FROM range(1_000_000)) TO '{log}' (FORMAT parquet)")
    done = command("run", "--input", log, "--output", output)
    assert_refused(done, log)
    assert "(a bomb)" in done.err
