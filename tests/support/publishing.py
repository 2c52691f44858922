"""A small publication that does all that one can do, and faults at each of its steps."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from user_conversion.places.folders import output as output_folder
from user_conversion.places.folders import roll_forward
from user_conversion.places.folders.output import OutputFolder

DATASET = "user_registration/format=parquet"
# Partitions as they are before and after: name of each file, and in it which run it is from.
OLD = {
    "stays": {"part-0.parquet": "old"},
    "changes": {"part-0.parquet": "old"},
    "several": {"part-0.parquet": "old", "part-1.parquet": "old"},
    "several to one": {"part-0.parquet": "old", "part-1.parquet": "old"},
    "one to several": {"part-0.parquet": "old"},
    "goes": {"part-0.parquet": "old"},
    "several go": {"part-0.parquet": "old", "part-1.parquet": "old"},
}
NEW = {
    "stays": {"part-0.parquet": "old"},
    "changes": {"part-0.parquet": "new"},
    "several": {"part-0.parquet": "new", "part-1.parquet": "new"},
    "several to one": {"part-0.parquet": "new"},
    "one to several": {"part-0.parquet": "new", "part-1.parquet": "new"},
    "comes": {"part-0.parquet": "new"},
    "several come": {"part-0.parquet": "new", "part-1.parquet": "new"},
}
# What is in the files of a partition, not what they are called.
State = dict[str, list[str]]
OLD_STATE, NEW_STATE = (
    {name: sorted(files.values()) for name, files in state.items()} | {"ledger.json": [run]}
    for state, run in ((OLD, "old"), (NEW, "new"))
)


def publish(output: OutputFolder, state: dict[str, dict[str, str]], run: str) -> None:
    """Publish the partitions that differ, as a job does."""
    with output.publication() as publication:
        folder = output.path / DATASET
        for name, files in state.items():
            staged = publication.folder / DATASET / name
            for file, content in files.items():
                if content == run:
                    staged.mkdir(parents=True, exist_ok=True)
                    (staged / file).write_text(content)
        there = list(folder.iterdir()) if folder.exists() else []
        publication.drops |= {f"{DATASET}/{path.name}" for path in there if path.name not in state}
        (publication.folder / "ledger.json").write_text(run)


def published(output: Path) -> State:
    partitions = (output / DATASET).iterdir()
    found = {path.name: sorted(each.read_text() for each in path.iterdir()) for path in partitions}
    state = {name: contents for name, contents in found.items() if contents}
    return state | {"ledger.json": [(output / "ledger.json").read_text()]}


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Fault:
    """Makes one of the next file operations fail: that with the given number, from 0.

    It listens to the interpreter's own audit events, so it does not matter by which function a
    file is opened, renamed or removed; only swapping folders and syncing are no such events.
    """

    EVENTS = frozenset(
        {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "os.listdir"}
    )

    def __init__(self) -> None:
        self.countdown: int | None = None
        self.error: BaseException = Killed()
        self.happened = False
        # What else to do at each step.
        self.watch: Callable[[], None] | None = None
        sys.addaudithook(lambda event, _: self.step() if event in self.EVENTS else None)

    def step(self) -> None:
        if self.watch and threading.current_thread() is threading.main_thread():
            watch, self.watch = self.watch, None
            watch()
            self.watch = watch
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown < 0:
                self.countdown, self.happened = None, True
                raise self.error

    @contextlib.contextmanager
    def at(self, number: int, error: BaseException) -> Iterator[None]:
        self.countdown, self.error, self.happened = number, error, False
        try:
            yield
        finally:
            self.countdown = None


FAULT = Fault()


def make_steps(patch: pytest.MonkeyPatch, synced: Callable[[Path], None] | None = None) -> None:
    """Count swapping and syncing as steps; `synced` is called after each sync."""
    exchange, sync = roll_forward.exchange, output_folder.sync

    def exchanged(*paths: Path) -> None:
        FAULT.step()
        exchange(*paths)

    def sync_and_tell(folder: Path) -> None:
        FAULT.step()
        sync(folder)
        if synced:
            synced(folder)

    patch.setattr(roll_forward, "exchange", exchanged)
    patch.setattr(output_folder, "sync", sync_and_tell)


def killed_at(number: int, output: Path, work: Callable[[OutputFolder], None]) -> bool:
    """Do some work in an output folder and die at a step; whether there was such a step."""
    folder = OutputFolder(output, "test")
    with FAULT.at(number, Killed()), contextlib.suppress(Killed):
        folder.__enter__()
        work(folder)
        folder.__exit__()
    # As the system does with a process that is gone; no other tidying up takes place.
    with contextlib.suppress(AttributeError):
        folder._lock.close()
    return FAULT.happened
