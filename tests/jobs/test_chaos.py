"""The real process is killed at random moments while another one keeps reading what it publishes.

`CHAOS_KILLS` says how often; `task chaos` takes 500.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from support import chaos
from support.chaos import DAYS, USERS_A_DAY, Reader, batch_lines
from support.command import command_line
from support.datasets import assert_no_litter, read_dataset
from support.engines import EngineUnderTest, engines
from support.logs import write_log

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))


class Runs:
    """Starts the command on a growing log, and kills it."""

    def __init__(self, engine: EngineUnderTest, folder: Path) -> None:
        self.logs, self.output = folder / "logs", folder / "output"
        options = ["--input", self.logs, "--output", self.output, "--engine", engine.name]
        self._arguments = command_line("run", *options)
        self.batches = 0
        self.seconds = 0.0

    def add_batch(self) -> None:
        write_log(self.logs / f"{self.batches:05}.json", batch_lines(self.batches))
        self.batches += 1

    def start(self) -> subprocess.Popen[bytes]:
        # A session of its own, so that a kill also ends what it has started.
        return subprocess.Popen(
            self._arguments,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def complete(self) -> None:
        begun = time.monotonic()
        run = self.start()
        error = run.communicate()[1].decode()
        assert run.returncode == 0, error
        self.seconds = time.monotonic() - begun

    def killed_after(self, seconds: float) -> bool:
        """Whether the run was still going on."""
        run = self.start()
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        return run.returncode != 0


@pytest.mark.chaos
@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_killed_at_random_moments(engine: EngineUnderTest, tmp_path: Path) -> None:
    runs, random = Runs(engine, tmp_path), Random(20200101)
    runs.add_batch()
    runs.complete()
    stop = tmp_path / "stop"
    reading = [sys.executable, chaos.__file__, str(runs.output), str(stop)]
    with subprocess.Popen(reading, stdout=subprocess.PIPE, text=True) as reader:
        try:
            alive = sum(kill(runs, random) for _ in range(max(3, KILLS // engine.cost)))
        finally:
            stop.touch()
            seen = json.loads(reader.communicate()[0])
    assert seen["faults"] == []
    assert seen["passes"] > 5
    # Most kills hit a run, not what was left of one.
    assert alive > max(3, KILLS // engine.cost) // 2
    assert_right(runs)


def kill(runs: Runs, random: Random) -> bool:
    """Kill a run, at times with new input and at times with what the last one left behind."""
    if random.random() < 0.7:
        runs.add_batch()
    # Nothing is written while Python starts.
    hit = runs.killed_after(runs.seconds * random.uniform(0.25, 1.1))
    look = Reader(runs.output)
    look.look()
    assert look.faults == []
    if random.random() < 0.15:
        assert_right(runs)
    return hit


def assert_right(runs: Runs) -> None:
    """The next run ends what was begun and comes to the right answer without help."""
    runs.complete()
    assert_no_litter(runs.output)
    assert not (runs.output / ".staging").exists()
    expected = range(runs.batches * DAYS * USERS_A_DAY)
    for name in ("user_registration", "app_loaded", "user_conversion"):
        ids = sorted(row.initiator_id for row in read_dataset(runs.output, name))
        assert ids == list(expected), name
    weeks = read_dataset(runs.output, "weekly_summary")
    assert sum(week.total_registered for week in weeks) == len(expected)
    assert {week.conversion_rate for week in weeks} == {100}
    ledger = json.loads((runs.output / "ledger.json").read_text())
    counts = [file["counts"]["lines"] for file in ledger["files"]]
    assert sum(counts) == 2 * len(expected)
