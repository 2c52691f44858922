"""Whatever happens between two runs: the output is what a rebuild makes, or the run refused."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, note, target
from hypothesis import strategies as st
from support.datasets import CONTRACT, row_counts
from support.engines import DUCKDB, EngineUnderTest, engines
from support.logs import app_loaded, registered
from support.publishing import FAULT, Killed
from support.stores import Lake, RunningStore
from support.strategies import RUN_STARTED

from user_conversion.engines.duckdb import lines as duckdb_lines
from user_conversion.inputs import objects
from user_conversion.places.stores.lease import Lease
from user_conversion.places.stores.store import Store
from user_conversion.rules.errors import UserConversionError

# How a document on several lines begins.
DOCUMENT = b"{\n"
NAMES = ("app.log", "app.log.1", "b.json", "c.json", "d.json")
# Options that a night can have. Those with fields read the log with another format.
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"by": "channel"},
    {"definition": "same-week"},
    {"timezone": "America/New_York"},
    {"as_of": date(2020, 11, 12)},
    {"field": {"plan": "plan"}},
    {"field": {"plan": "plan"}, "by": "plan"},
)


@dataclass(frozen=True)
class Delivery:
    """A content that was delivered, and the path at which it was seen last."""

    path: str
    content: bytes
    gone: bool = False

    @property
    def is_converted(self) -> bool:
        """Whether it is an array, or documents: no lines can be added."""
        return self.content.startswith((b"[", DOCUMENT))

    @property
    def days(self) -> set[str]:
        return {
            event["timestamp"][:10]
            for event in events_in(self.content)
            if event.get("event") in ("registered", "app_loaded") and "initiator_id" in event
        }


def events_in(content: bytes) -> list[dict[str, Any]]:
    if content.startswith(b"["):
        return list(json.loads(content))
    if content.startswith(DOCUMENT):
        return list(json.loads(b"[" + content.replace(b"\n}\n{", b"\n},\n{") + b"]"))
    found = []
    for line in content.split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        found.append(event)
    return [event for event in found if isinstance(event, dict)]


def kinds(deliveries: Sequence[Delivery]) -> set[str]:
    """The kinds of events; a run after which one is there no more refuses."""
    events = (event for each in deliveries for event in events_in(each.content))
    return {event["event"] for event in events} - {"other"}


class RefusedError(Exception):
    """A run may refuse here."""


def delivered(before: Sequence[Delivery], disk: dict[str, bytes]) -> list[Delivery]:
    """What was delivered after a night, by the rules in words, comparing whole contents.

    What is known and is still there stays, wherever it is. A file that begins with a content that
    is nowhere else is its longer form: the rest of it is read, or, of what is converted and was
    there last time, all of it anew. Another content at the path of one that is nowhere else
    replaces it, wherever it is, too. What is not found stays, for good. Raises `RefusedError` if a
    day of a content that is read anew or replaced is in a content that is gone, too.
    """
    contents = dict.fromkeys(disk[path] for path in sorted(disk))
    paths = {content: [p for p in sorted(disk) if disk[p] == content] for content in contents}
    left, stay = [], []
    for each in before:
        at = paths.pop(each.content, None)
        if at is None:
            left.append(each)
        else:
            path = each.path if each.path in at else at[0]
            stay.append(replace(each, path=path, gone=False))
    new = [Delivery(at[0], content) for content, at in paths.items()]
    replaced = []
    for each in sorted(new, key=lambda each: each.path):
        shorter = [
            old
            for old in left
            if continues(old.content, each.content) and not (each.is_converted and old.gone)
        ]
        if shorter:
            longest = max(shorter, key=lambda old: len(old.content))
            left.remove(longest)
            if each.is_converted:
                replaced.append(longest)
            if longest.path not in paths[each.content]:
                # It was moved, so it does not replace what was there.
                new[new.index(each)] = replace(each, path=f"\0{each.path}")
    for number, each in enumerate(new):
        if each.path.startswith("\0"):
            new[number] = replace(each, path=each.path[1:])
            continue
        same = [old for old in left if old.path in paths[each.content] and not old.gone]
        left = [old for old in left if old not in same]
        replaced += same
    if any(old.days & gone.days for old in replaced for gone in left):
        raise RefusedError
    return [*stay, *new, *(replace(each, gone=True) for each in left)]


def continues(short: bytes, long: bytes) -> bool:
    """Whether lines were added: a last line without its end is one, if it is an event."""
    if not long.startswith(short) or short == long:
        return False
    *_, last = short.split(b"\n")
    whole = bool(last) and bool(events_in(last))
    return not whole or long[len(short) :].startswith(b"\n")


# ---------------------------------------------------------------- what can happen


@dataclass
class Disk:
    """The files of the input folder: content by path, and which of them are compressed."""

    files: dict[str, bytes] = field(default_factory=dict)
    packed: set[str] = field(default_factory=set)

    def write(self, folder: Path) -> None:
        """Make the folder so; files that do not change keep their time."""
        for path in folder.iterdir():
            if path.name not in self.files:
                path.unlink()
        for name, content in self.files.items():
            data = gzip.compress(content, mtime=0) if name in self.packed else content
            path = folder / name
            if not path.exists() or path.read_bytes() != data:
                path.write_bytes(data)


@st.composite
def lines(draw: st.DrawFn, at_least: int = 1) -> list[bytes]:
    """Lines of a log of a few users in three weeks; some are no events."""
    found = []
    for _ in range(draw(st.integers(at_least, 5))):
        time = datetime(2020, 11, 2) + timedelta(
            days=draw(st.integers(0, 20)), hours=draw(st.sampled_from((0, 4, 12, 23)))
        )
        user = draw(st.integers(1, 9))
        text = f"{time:%Y-%m-%dT%H:%M:%SZ}"
        event = draw(
            st.sampled_from(
                (
                    registered(text, user, draw(st.sampled_from(("ad", "mail")))),
                    app_loaded(text, user),
                    app_loaded(text, user, "phone"),
                    '{"event":"other"}',
                    "",
                    "no event",
                )
            )
        )
        found.append(event.encode())
    return found


@st.composite
def contents(draw: st.DrawFn) -> bytes:
    """A content with at least one event, whose user is its own, so that no two are equal."""
    unique = registered("2020-11-03T12:00:00Z", draw(st.integers(1_000, 10**9))).encode()
    found = [unique, *draw(lines(0))]
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return b"[" + b",".join(line for line in found if line.startswith(b"{")) + b"]"
    if kind == 1:
        return documents(found)
    text = b"\n".join(found) + b"\n"
    # The last line is not finished.
    cut = draw(st.integers(0, 30))
    return text[: max(len(unique) + 1, len(text) - cut)]


def documents(lines: Sequence[bytes]) -> bytes:
    """The objects among some lines, each on several lines."""
    objects = (json.loads(line) for line in lines if line.startswith(b"{"))
    return b"".join(json.dumps(each, indent=1).encode() + b"\n" for each in objects)


@st.composite
def change(draw: st.DrawFn, disk: Disk) -> str:
    """One thing that happens to the files in a night; says what."""
    there = sorted(disk.files)
    free = sorted({*NAMES} - {*there})
    doing = draw(
        st.sampled_from(("new", "grow", "remove", "edit", "pack", "move", "copy", "again"))
    )
    if (doing == "new" or not there) and free:
        name = draw(st.sampled_from(free))
        disk.files[name] = draw(contents())
        return f"new {name}"
    name = draw(st.sampled_from(there))
    content = disk.files[name]
    if doing == "grow" and not content.startswith(b"["):
        added = draw(lines())
        if content.startswith(DOCUMENT):
            disk.files[name] = content + documents(added)
            return f"grow {name}"
        more = b"\n".join(added) + b"\n"
        disk.files[name] = content + (b"" if content.endswith(b"\n") else b'"}\n') + more
    elif doing == "remove" and len(there) > 1:
        del disk.files[name]
    elif doing == "edit":
        # The last digit of an id, so that the size stays the same.
        ids = [match.end() - 1 for match in re.finditer(rb'"initiator_id": [0-9]+', content)]
        at = draw(st.sampled_from(ids))
        disk.files[name] = content[:at] + b"%d" % ((content[at] - 47) % 10) + content[at + 1 :]
    elif doing == "pack":
        disk.packed ^= {name}
    elif doing in ("move", "copy") and free:
        other = draw(st.sampled_from(free))
        disk.files[other] = content
        if doing == "move":
            del disk.files[name]
    elif doing == "again":
        disk.files[name] = draw(contents())
    return f"{doing} {name}"


# ---------------------------------------------------------------- the promise


@pytest.mark.property
@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_any_history_ends_like_a_rebuild(
    engine: EngineUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    @engine.examples(25)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        with TemporaryDirectory() as name:
            history = History(engine, Path(name))
            nights = data.draw(st.integers(2, 5))
            for number in range(nights):
                for _ in range(data.draw(st.integers(1, 3))):
                    note(f"night {number}: {data.draw(change(history.disk))}")
                options = data.draw(st.sampled_from(OPTIONS))
                # Tables are in memory, or on disk.
                share = data.draw(st.sampled_from((0.5, 0.0)))
                monkeypatch.setattr(duckdb_lines, "SHARE_FOR_TABLES", share)
                dies_at = data.draw(st.none() | st.integers(0, 400))
                note(f"night {number}: {options}, on disk: {not share}, killed at {dies_at}")
                history.night(options, dies_at)
            target(len(history.refused), label="refused")

    check()


@pytest.mark.property
@pytest.mark.parametrize("number", [3, pytest.param(100, marks=pytest.mark.long)])
def test_any_history_of_objects_ends_like_a_rebuild(
    lake: Lake, running_store: RunningStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """From bucket to bucket; objects come in batches of any size, which makes no difference."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_store.endpoint)  # without the slow proxy

    @DUCKDB.examples(number)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        with TemporaryDirectory() as name:
            history = StoreHistory(lake, Path(name))
            for number in range(data.draw(st.integers(2, 4))):
                for _ in range(data.draw(st.integers(1, 4))):
                    note(f"night {number}: {data.draw(change(history.disk))}")
                options = data.draw(st.sampled_from(OPTIONS))
                dies_at = data.draw(st.none() | st.integers(0, 200))
                size = data.draw(st.sampled_from((1, 700, 2_000)))
                monkeypatch.setattr(objects, "BATCH", size)
                note(f"night {number}: {options}, killed at {dies_at}, batches of {size}")
                history.night(options, dies_at)
                monkeypatch.setattr(objects, "BATCH", 1 << 29)
                history.compare_with_one_batch(options)

    check()


class History:
    """An input folder, an output folder, and what should be in it."""

    def __init__(self, engine: EngineUnderTest, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.logs, self.output = folder / "logs", folder / "output"
        self.logs.mkdir()
        self.disk = Disk()
        self.delivered: list[Delivery] = []
        self.format: Any = None
        self.runs = 0
        self.refused: list[str] = []
        self.was_killed = False

    def deliver(self) -> None:
        self.disk.write(self.logs)

    def night(self, options: dict[str, Any], dies_at: int | None) -> None:
        self.deliver()
        if dies_at is not None:
            self.was_killed = True
            with FAULT.at(dies_at, Killed()):
                self.run(options, expects=(UserConversionError, Killed))
        expected, may_refuse = self.expected(options)
        before = self.bytes()
        answer = self.run(options, expects=(UserConversionError,) if may_refuse else ())
        if answer is None:
            assert self.bytes() == before
            return
        self.delivered, self.format = expected, options.get("field")
        rebuilt, rebuilt_answer = self.rebuilt(options)
        for name in CONTRACT:
            if name != "rejected_events":  # its source is another file
                mine, theirs = (
                    row_counts(output, name, *(self.format or ()))
                    for output in (self.output, rebuilt)
                )
                assert mine == theirs, name
        assert raw_lines(self.output) == raw_lines(rebuilt)
        assert answer == rebuilt_answer

    def expected(self, options: dict[str, Any]) -> tuple[list[Delivery], bool]:
        """What will be delivered, and whether the run may refuse."""
        files = self.disk.files
        if self.delivered and options.get("field") != self.format:
            there = {*files.values()}
            gone = [e for e in self.delivered if e.content not in there and e.path not in files]
            found = delivered([], files)
            return found, bool(gone) or not kinds(self.delivered) <= kinds(found)
        try:
            found = delivered(self.delivered, files)
            return found, not kinds(self.delivered) <= kinds(found)
        except RefusedError:
            return self.delivered, True

    @property
    def now(self) -> datetime:
        return RUN_STARTED + timedelta(seconds=self.runs)

    def run(self, options: dict[str, Any], expects: tuple[type[BaseException], ...]) -> Any:
        self.runs += 1
        try:
            result = self.run_once(options)
        except expects as error:
            self.refused.append(str(error))
            assert "\n" not in str(error)
            assert "report this as a bug" not in str(error)
            return None
        return shown(result)

    def run_once(self, options: dict[str, Any]) -> Any:
        return self.engine.run(self.output, self.logs, now=self.now, **options)

    def rebuilt(self, options: dict[str, Any]) -> tuple[Path, Any]:
        """An output made at once from all that was delivered, and its answer."""
        logs, output = self.folder / "all", self.folder / "rebuilt"
        for folder in (logs, output):
            shutil.rmtree(folder, ignore_errors=True)
        logs.mkdir()
        for number, each in enumerate(self.delivered):
            (logs / f"{number}.json").write_bytes(each.content)
        return output, shown(self.engine.run(output, logs, **options))

    def bytes(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.output)): path.read_bytes()
            for path in self.output.rglob("*")
            if path.is_file() and path.name != ".lock"
        }


class StoreHistory(History):
    """The same with both in a store; `output` is a copy of what is published there."""

    def __init__(self, lake: Lake, folder: Path) -> None:
        super().__init__(DUCKDB, folder)
        self.lake, self.name = lake, uuid4().hex
        self.store = Store(lake.at(f"{self.name}/out"))
        self.output.mkdir()

    def deliver(self) -> None:
        """Make the objects those of the disk."""
        super().deliver()
        below = f"{self.name}/logs/"
        files = {f"{below}{path.name}": path.read_bytes() for path in self.logs.iterdir()}
        there = self.lake.contents(below)
        Store(self.lake.address).delete([name for name in there if name not in files])
        for name, content in files.items():
            if there.get(name) != content:
                self.lake.put(name, content)

    def run_once(self, options: dict[str, Any]) -> Any:
        try:
            return self.stored_run(self.store.address, options)
        finally:
            FAULT.countdown = None
            # What a run that was killed has left is finished or discarded.
            with Lease(self.store, "next", lambda: 1e12):
                pass
            shutil.rmtree(self.output)
            self.output.mkdir()
            for name, content in self.lake.contents(f"{self.name}/out/").items():
                path = self.output / name.removeprefix(f"{self.name}/out/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def stored_run(self, output: Any, options: dict[str, Any]) -> Any:
        logs: Any = self.lake.at(f"{self.name}/logs")
        return self.engine.run(output, logs, now=self.now, **options)

    def compare_with_one_batch(self, options: dict[str, Any]) -> None:
        """The same nights with one batch each give the same folder."""
        with suppress(UserConversionError):
            self.stored_run(self.folder / "one", options)
        for name in CONTRACT:
            mine, theirs = (
                row_counts(output, name, *(self.format or ()))
                for output in (self.output, self.folder / "one")
            )
            assert mine == theirs, name
        # If a run was killed after it had published, the next one had nothing to read.
        for document in ("ledger.json", *([] if self.was_killed else ["run.json", "state.json"])):
            mine, theirs = (
                without_times(json.loads((output / document).read_bytes()))
                for output in (self.output, self.folder / "one")
            )
            assert mine == theirs, document


def without_times(document: Any) -> Any:
    """A document without when, how long and where to its runs were; lists in any order."""
    if isinstance(document, dict):
        # The hash of a state depends on the order of its rows.
        dropped = ("seconds", "read_at", "batches", "output", "state")
        return {name: without_times(document[name]) for name in document if name not in dropped}
    if isinstance(document, list):
        return sorted((without_times(each) for each in document), key=repr)
    return document


def shown(result: Any) -> Any:
    """The answer, without what was otherwise in the one before: a rebuild had none."""
    return result.as_json() | {"restated": []}


def raw_lines(output: Path) -> list[tuple[str, str]]:
    return sorted((row[-2], row[-1]) for row in row_counts(output, "rejected_events").elements())
