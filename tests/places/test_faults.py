"""The real command, with a system call that fails or kills it: strace injects the fault.

`CHAOS_KILLS` says how many of the faults are tried, `CHAOS_SEED` repeats a choice.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.command import command, command_line
from support.datasets import CONTRACT, assert_no_litter, row_counts
from support.logs import app_loaded, registered, write_log

FAULTS = ("error=EIO", "error=ENOSPC", "error=EINTR", "signal=SIGKILL")
CALLS = ["openat", "write", "pwrite64", "rename", "renameat2", "fsync", "syncfs", "unlink"]
CALLS += ["unlinkat", "rmdir", "mkdir"]
TRIED = int(os.environ.get("CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CHAOS_SEED", Random().randrange(1 << 32)))
CALL = re.compile(r"(\d+) +(\w+)\(")


def traced(*options: str, arguments: list[str | bytes]) -> subprocess.CompletedProcess[bytes]:
    line = ["strace", "-f", "-qq", "-y", *options, *arguments]
    return subprocess.run(line, capture_output=True, timeout=60)


class Incremental:
    """A second run on more logs, and what its output must be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        days = [f"2020-11-{day:02}T06:21:14Z" for day in (2, 9, 17)]
        self.logs = write_log(folder / "logs" / "a.json", [registered(days[0], 1)]).parent
        self.old, self.new, self.output = folder / "old", folder / "new", folder / "output"
        self.run(self.old)
        write_log(self.logs / "b.json", [registered(day, 2 + n) for n, day in enumerate(days)])
        write_log(self.logs / "c.json", [app_loaded(day, 2) for day in days])
        self.run(self.new)

    def arguments(self, output: Path) -> list[object]:
        return ["run", "--input", self.logs, "--output", output, "--no-report"]

    def run(self, output: Path) -> None:
        done = command(*self.arguments(output))
        assert done.status == 0, done.err

    def start_over(self) -> None:
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.copytree(self.old, self.output)

    def traced(self, *options: str) -> subprocess.CompletedProcess[bytes]:
        self.start_over()
        return traced(*options, arguments=command_line(*self.arguments(self.output)))

    def calls(self) -> Iterator[tuple[str, int]]:
        """The system calls on the output: name, and the how many-th of its thread it is."""
        trace = self.folder / "trace"
        if self.traced("-o", str(trace), "-e", f"trace={','.join(CALLS)}").returncode:
            pytest.skip("strace may not trace here")
        counts: Counter[tuple[str, str]] = Counter()
        for line in trace.read_text(errors="replace").splitlines():
            if call := CALL.match(line):
                thread, name = call.groups()
                counts[thread, name] += 1
                if f"{self.output}/" in line:
                    yield name, counts[thread, name]


@pytest.mark.chaos
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_a_system_call_that_fails(tmp_path: Path) -> None:
    """The run works or ends with a sentence; the next one comes to the right answer."""
    print(f"CHAOS_SEED={SEED}")
    runs = Incremental(tmp_path)
    points = sorted({(*call, fault) for call in runs.calls() for fault in FAULTS})
    random = Random(SEED)
    for name, number, fault in random.sample(points, min(TRIED, len(points))):
        trace, inject = tmp_path / "trace", f"inject={name}:{fault}:when={number}"
        done = runs.traced("-o", str(trace), "-e", f"trace={name}", "-e", inject)
        what = f"{name} {number} {fault}: {done.returncode} {done.stderr.decode()}"
        lines = trace.read_text(errors="replace").splitlines()
        # With threads the call may have been another one, such as that of an import.
        if any("(INJECTED)" in line and f"{runs.output}/" in line for line in lines):
            assert done.returncode in (0, 1), what
            if done.returncode:
                assert len(done.stderr.splitlines()) == 1, what
                assert done.stderr.startswith(b"user-conversion: "), what
        runs.run(runs.output)
        for dataset in CONTRACT:
            found = row_counts(runs.output, dataset)
            assert found == row_counts(runs.new, dataset), (dataset, what)
        assert_no_litter(runs.output)
