"""Logs that grow at any byte, or come under names of other kinds: the events are a rebuild's."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.datasets import read_dataset
from support.engines import DUCKDB
from support.logs import app_loaded, registered, write_log

DATASETS = ("user_registration", "app_loaded", "rejected_events")
KINDS = """
ids = "integer"
[fields]
timestamp = "at"
initiator_id = "id"
[files]
registered = "*/registered-*"
app_loaded = "*/loaded-*"
"""
NAMES = ("registered-1", "registered-2", "loaded-1", "loaded-2")


def rows(output: Path, *but: str) -> dict[str, Counter[object]]:
    """All that was published, but for numbers of lines, which may be those of a part."""
    return {
        name: Counter(
            str({k: value for k, value in vars(row).items() if k not in ("line_number", *but)})
            for row in read_dataset(output, name)
        )
        for name in DATASETS
    }


def write_format(folder: Path, text: str) -> str:
    path = folder / "format.toml"
    path.write_text(text)
    return str(path)


@st.composite
def docker_logs(draw: st.DrawFn) -> bytes:
    """A log of two streams whose lines were cut; some are no events, the last may lack its end."""
    texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for user in range(draw(st.integers(1, 5))):
        event = draw(
            st.sampled_from(
                [
                    registered("2020-11-03T12:00:00Z", user),
                    app_loaded("2020-11-10T12:00:00Z", user),
                    "Listening on port 80",
                    "",
                ]
            )
        )
        stream = draw(st.sampled_from(sorted(texts)))
        end = draw(st.sampled_from(["\n", "\r\n"]))
        size = draw(st.integers(20, 200))
        whole = event + end
        parts = [whole[at : at + size] for at in range(0, len(whole), size)]
        texts[stream] += parts
    first = registered("2020-11-02T12:00:00Z", 99) + "\n"
    lines = [json.dumps({"log": first, "stream": "stdout", "time": "2020"})]
    while any(texts.values()):
        stream = draw(st.sampled_from([name for name, left in texts.items() if left]))
        lines.append(json.dumps({"log": texts[stream].pop(0), "stream": stream, "time": "2020"}))
    return "\n".join(lines).encode() + draw(st.sampled_from([b"\n", b""]))


@DUCKDB.examples(12)
@given(docker_logs(), st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_a_log_of_docker_that_is_read_at_any_length(content: bytes, cuts: Sequence[float]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        form = write_format(folder, '[input]\nembedded = "log"\n')
        log = folder / "docker.log"
        least = content.find(b"\n") + 1 or len(content)
        for cut in (*sorted(cuts), 1):
            log.write_bytes(content[: max(least, int(cut * len(content)))])
            last = DUCKDB.split(folder / "output", log, log_format=form)
        rebuilt = DUCKDB.split(folder / "rebuilt", log, log_format=form)
        assert last.total == rebuilt.total
        assert rows(folder / "output") == rows(folder / "rebuilt")


def test_what_docker_cut_at_the_end_of_a_night(tmp_path: Path) -> None:
    """The first half of a line is rejected; the event is there when the second half is."""
    event = app_loaded("2020-11-10T12:00:00Z", 1)
    whole = registered("2020-11-03T12:00:00Z", 1)
    texts = [whole + "\n", event[:30], event[30:] + "\n"]
    lines = [json.dumps({"log": text, "stream": "stdout", "time": "2020"}) for text in texts]
    form, log = write_format(tmp_path, '[input]\nembedded = "log"\n'), tmp_path / "docker.log"
    log.write_text("\n".join(lines[:2]) + "\n")
    first = DUCKDB.split(tmp_path / "output", log, log_format=form).total
    assert (first.registered, first.app_loaded, first.rejected) == (1, 0, 1)
    log.write_text("\n".join(lines) + "\n")
    second = DUCKDB.split(tmp_path / "output", log, log_format=form).total
    assert (second.registered, second.app_loaded, second.rejected) == (1, 1, 0)
    assert not read_dataset(tmp_path / "output", "rejected_events")


KUBERNETES = "2026-11-28T10:00:00.000000000Z stdout F "
# How a record is written in each kind of log, and what the log begins with.
WRITTEN: dict[str, tuple[str, Callable[[int, str], str]]] = {
    "lines": ("", lambda user, time: registered(time, user)),
    "prefixed": ("", lambda user, time: f"INFO {registered(time, user)}"),
    "kubernetes": ("", lambda user, time: KUBERNETES + registered(time, user)),
    "batches": ("", lambda user, time: f'{{"batch":[{registered(time, user)}]}}'),
    "table": (
        "event,timestamp,initiator_id,channel\n",
        lambda user, time: f'registered,{time},{user},"a\n{user}"',
    ),
    "documents": ("", lambda user, time: json.dumps(json.loads(registered(time, user)), indent=1)),
}
# In these a line may end anywhere; elsewhere the file is corrupt then.
CUT = ("lines", "prefixed", "kubernetes", "batches")


@DUCKDB.examples(14)
@given(
    st.sampled_from(sorted(WRITTEN)),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(NAMES), st.booleans(), st.integers(0, 9)),
        min_size=2,
    ),
)
def test_a_log_of_any_kind_that_grows_and_moves(
    kind: str, nights: Sequence[tuple[int, str, bool, int]]
) -> None:
    """In each night so many records come, under another name, compressed or not; some are cut."""
    beginning, write = WRITTEN[kind]
    with TemporaryDirectory() as name:
        folder = Path(name)
        stays = registered("2020-11-02T12:00:00Z", 0)
        records = [write(user, f"2020-11-0{2 + user % 3}T12:00:00Z") for user in (1, 2, 3)]
        length = 0
        for more, file, is_packed, cut in nights:
            first = len(records) + 1
            users = range(first, first + more)
            records += [write(user, f"2020-11-0{2 + user % 5}T12:00:00Z") for user in users]
            text = (beginning + "\n".join(records) + "\n").encode()
            # Without its last bytes, or the line end; but nothing goes that was there.
            length = max(length, len(text) - (cut if kind in CUT else min(cut, 1)))
            content = text[:length]
            shutil.rmtree(folder / "logs", ignore_errors=True)
            write_log(folder / "logs" / "stays", [stays])
            (folder / "logs" / file).write_bytes(gzip.compress(content) if is_packed else content)
            last = DUCKDB.split(folder / "output", folder / "logs")
        rebuilt = DUCKDB.split(folder / "rebuilt", folder / "logs")
        assert last.total == rebuilt.total
        assert rows(folder / "output", "source") == rows(folder / "rebuilt", "source")


def test_a_table_that_grew_and_was_rotated_overwrites_none(tmp_path: Path) -> None:
    """The table that had its new name before was removed, as rotation does; its events stay."""
    logs, header = tmp_path / "logs", "event,timestamp,initiator_id\n"
    logs.mkdir()
    old, new, next_ = (f"registered,2020-11-0{n}T12:00:00Z,{n}\n" for n in (1, 2, 3))
    (logs / "app.csv.1").write_text(header + old)
    (logs / "app.csv").write_text(header + new)
    DUCKDB.split(tmp_path / "output", logs)
    (logs / "app.csv.1").write_text(header + new + next_)
    (logs / "app.csv").write_text(header + next_.replace("3\n", "4\n"))
    assert DUCKDB.split(tmp_path / "output", logs).total.registered == 4
    found = read_dataset(tmp_path / "output", "user_registration")
    assert sorted(row.initiator_id for row in found) == [1, 2, 3, 4]


def test_a_blank_line_is_not_the_shorter_form_of_a_table(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("\n")
    DUCKDB.split(tmp_path / "output", log)
    log.write_text("\nevent,timestamp,initiator_id\nregistered,2020-11-02T13:00:00Z,1\n")
    assert DUCKDB.split(tmp_path / "output", log).total.registered == 1


@pytest.mark.parametrize("blank", ["", "\n", "\r\n\n"])
def test_a_byte_order_mark_alone_is_blank(tmp_path: Path, blank: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("\ufeff" + blank, encoding="utf-8")
    write_log(tmp_path / "logs" / "b.log", [registered("2020-11-02T12:00:00Z", 0)])
    total = DUCKDB.split(tmp_path / "output", tmp_path / "logs").total
    assert (total.registered, total.rejected) == (1, 0)


def test_a_table_without_events_that_grew_and_moved_is_counted_once(tmp_path: Path) -> None:
    logs, bad = tmp_path / "logs", "event,timestamp,initiator_id\nopened,,\nregistered,,\n"
    write_log(logs / "stays", [registered("2020-11-02T12:00:00Z", 0)] * 9)
    (logs / "a.csv").write_text(bad)
    DUCKDB.split(tmp_path / "output", logs)
    (logs / "a.csv").unlink()
    (logs / "b.csv").write_text(f"{bad}registered,2020-11-02T13:00:00Z,1\n")
    total = DUCKDB.split(tmp_path / "output", logs).total
    assert (total.registered, total.rejected) == (10, 1)
    assert len(read_dataset(tmp_path / "output", "rejected_events")) == 1


def test_a_header_is_not_the_shorter_form_of_each_table(tmp_path: Path) -> None:
    """An hour without events, whose file is gone: the tables after it replace nothing."""
    logs, header = tmp_path / "logs", "event,timestamp,initiator_id\n"
    write_log(logs / "stays", [registered("2020-11-02T12:00:00Z", 0)])
    (logs / "00.csv").write_text(header)
    DUCKDB.split(tmp_path / "output", logs)
    (logs / "00.csv").unlink()
    (logs / "01.csv").write_text(f"{header}registered,2020-11-02T13:00:00Z,1\n")
    assert DUCKDB.split(tmp_path / "output", logs).replaced == ()


def test_a_log_of_batches_whose_last_line_is_finished_later(tmp_path: Path) -> None:
    events = registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-10T12:00:00Z", 1)
    batch = f'{{"batch":[{",".join(events)}]}}\n'
    log = tmp_path / "batches.log"
    for content in (batch, batch + batch[:40], 2 * batch):
        log.write_text(content)
        total = DUCKDB.split(tmp_path / "output", log).total
    assert (total.registered, total.app_loaded, total.rejected) == (2, 2, 0)


@DUCKDB.examples(8)
@given(st.lists(st.permutations(NAMES), min_size=2, max_size=3), st.integers(1, 4))
@example([NAMES, ("loaded-1", "loaded-2", "registered-1", "registered-2")], 1)
@example([NAMES, ("loaded-1", "registered-1", "loaded-2", "registered-2")], 4)
def test_files_that_move_between_kinds(nights: Sequence[Sequence[str]], number: int) -> None:
    """Whatever the same contents are called in the last night is what they are."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        form = write_format(folder, KINDS)
        for names in nights:
            shutil.rmtree(folder / "logs", ignore_errors=True)
            for stays, day in (("registered-0", "01"), ("loaded-0", "02")):
                write_log(
                    folder / "logs" / stays,
                    [json.dumps({"at": f"2020-11-{day}T09:00:00Z", "id": 0})],
                )
            for content, file in enumerate(names[:number]):
                lines = [{"at": f"2020-11-0{1 + content}T12:00:00Z", "id": n} for n in range(2)]
                (folder / "logs" / file).write_text("\n".join(map(json.dumps, lines)))
            last = DUCKDB.split(folder / "output", folder / "logs", log_format=form)
        rebuilt = DUCKDB.split(folder / "rebuilt", folder / "logs", log_format=form)
        assert last.total == rebuilt.total
        assert rows(folder / "output") == rows(folder / "rebuilt")
