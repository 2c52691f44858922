"""After a power cut at any step the output is old or new, and the next run needs no help.

`CHAOS_SEED` repeats a run; `CHAOS_KILLS` says how many power cuts of whole runs are tried.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from support import disk
from support.command import command
from support.datasets import CONTRACT, assert_no_litter, row_counts
from support.disk import Disk, Tree
from support.logs import app_loaded, registered, write_log
from support.publishing import FAULT, NEW, NEW_STATE, OLD, OLD_STATE, make_steps, publish, published

from user_conversion.places.folders import sync
from user_conversion.places.folders.output import OutputFolder

SEED = int(os.environ.get("CHAOS_SEED", Random().randrange(1 << 32)))
CUTS = int(os.environ.get("CHAOS_KILLS", "10"))


@pytest.fixture
def random() -> Random:
    print(f"CHAOS_SEED={SEED}")
    return Random(SEED)


def power_cuts(
    output: Path, work: Callable[[], None], random: Random, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Tree], Tree]:
    """What power cuts at each step of some work may leave, and what the work leaves for sure."""
    model, found = Disk(output), []

    def step() -> None:
        if model.look():
            found.extend(model.after_power_cuts(random))

    def synced(_: Path) -> None:
        watch, FAULT.watch = FAULT.watch, None
        model.sync()
        FAULT.watch = watch

    with monkeypatch.context() as patch:
        make_steps(patch, synced)
        FAULT.watch = step
        try:
            work()
        finally:
            FAULT.watch = None
    model.look()
    left = next(model.after_power_cuts(random))
    model.close()
    return found, left


def recover(output: Path) -> None:
    with OutputFolder(output, "test"):
        pass


def test_a_power_cut_at_any_step(
    tmp_path: Path, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output"

    def run(state: dict[str, dict[str, str]], name: str, where: Path = output) -> None:
        with OutputFolder(where, "test") as folder:
            publish(folder, state, name)

    run(OLD, "old")
    trees, left = power_cuts(output, lambda: run(NEW, "new"), random, monkeypatch)
    seen = []
    for number, tree in enumerate(trees):
        copy = tmp_path / str(number)
        disk.write(tree, copy)
        recover(copy)
        seen.append(published(copy))
        assert seen[-1] in (OLD_STATE, NEW_STATE), number
        run(NEW, "new", copy)
        assert published(copy) == NEW_STATE
        shutil.rmtree(copy)
    assert min(seen.count(OLD_STATE), seen.count(NEW_STATE)) > 50
    # What is published is on disk before the run says so.
    disk.write(left, tmp_path / "left")
    assert published(tmp_path / "left") == NEW_STATE


def test_a_power_cut_while_recovering(
    tmp_path: Path, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "output"
    with OutputFolder(output, "test") as folder:
        publish(folder, OLD, "old")

    def run() -> None:
        with OutputFolder(output, "test") as folder:
            publish(folder, NEW, "new")

    trees, _ = power_cuts(output, run, random, monkeypatch)
    committed = [tree for tree in trees if ".staging" in tree.folders[tree.top]]
    for number, tree in enumerate(random.sample(committed, 12)):
        copy = tmp_path / str(number)
        disk.write(tree, copy)
        again, _ = power_cuts(copy, partial(recover, copy), random, monkeypatch)
        for second, tree_ in enumerate(random.sample(again, min(len(again), 40))):
            copy = tmp_path / f"{number}-{second}"
            disk.write(tree_, copy)
            recover(copy)
            assert published(copy) in (OLD_STATE, NEW_STATE), (number, second)


@pytest.mark.chaos
def test_power_cuts_of_whole_runs(
    tmp_path: Path, random: Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run exits with 0 and comes to what a run without a power cut comes to."""
    output, clean = tmp_path / "output", tmp_path / "clean"
    days = [f"2020-11-{day:02}T06:21:14Z" for day in (2, 9, 17)]
    logs = write_log(tmp_path / "logs" / "a.json", [registered(days[0], 1)]).parent

    def run(where: Path) -> None:
        done = command("run", "--input", logs, "--output", where, "--no-report")
        assert done.status == 0, done.err

    run(output)
    write_log(logs / "b.json", [registered(day, 2 + n) for n, day in enumerate(days)])
    write_log(logs / "c.json", [app_loaded(day, 2) for day in days])
    run(clean)
    trees, left = power_cuts(output, lambda: run(output), random, monkeypatch)
    for number, tree in enumerate([*random.sample(trees, min(CUTS, len(trees))), left]):
        copy = tmp_path / str(number)
        disk.write(tree, copy)
        if tree is not left:
            run(copy)
            assert_no_litter(copy)
        for name in CONTRACT:
            assert row_counts(copy, name) == row_counts(clean, name), (number, name)
        shutil.rmtree(copy)


def test_without_syncfs_everything_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(sync.ctypes, "CDLL", lambda *_, **__: object())
    monkeypatch.setattr(sync.os, "sync", lambda: calls.append(None))
    sync.sync(tmp_path)
    assert calls == [None]
