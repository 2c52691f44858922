"""All of a run is published or nothing, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.command import assert_refused, command, command_line, process
from support.datasets import assert_no_litter, read_dataset, users
from support.engines import EngineUnderTest, engines
from support.logs import TIME, app_loaded, line, registered, write_log
from support.outputs import rendered
from support.publishing import (
    FAULT,
    NEW,
    NEW_STATE,
    OLD,
    OLD_STATE,
    killed_at,
    make_steps,
    publish,
    published,
)

from user_conversion.places.folders import output as output_folder
from user_conversion.places.folders import roll_forward
from user_conversion.places.folders.output import OutputFolder
from user_conversion.rules.errors import OutputError

# ---------------------------------------------------------------- a failure at every single step


@pytest.fixture(autouse=True)
def swapping_and_syncing_are_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    make_steps(monkeypatch)


def failed_at(
    number: int, output: Path, work: Callable[[OutputFolder], None], error: BaseException
) -> bool:
    """The same with an error, after which the run still cleans up behind itself."""
    expected = contextlib.suppress(type(error), OutputError)
    with FAULT.at(number, error), expected, OutputFolder(output, "test") as folder:
        work(folder)
    return FAULT.happened


def publish_new(folder: OutputFolder) -> None:
    publish(folder, NEW, "new")


FAILURES: dict[str, Callable[[int, Path, Callable[[OutputFolder], None]], bool]] = {
    "killed": killed_at,
    "disk full": partial(failed_at, error=OSError(28, "No space left on device")),
    "disk broken": partial(failed_at, error=OSError(5, "Input/output error")),
    "system call interrupted": partial(failed_at, error=InterruptedError(4, "Interrupted")),
    "lost rights": partial(failed_at, error=PermissionError(13, "Permission denied")),
    "interrupted": partial(failed_at, error=KeyboardInterrupt()),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_at_any_step(tmp_path: Path, failure: str) -> None:
    """Each partition is old or new; whoever comes next finds all old or all new; then all new."""
    assert_safe_at_any_step(tmp_path, failure, assert_each_old_or_new)


def test_killed_at_any_step_where_folders_cannot_be_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on network file systems: a partition of several files is missing for an instant."""
    monkeypatch.setattr(roll_forward, "RENAME_EXCHANGE", 1 << 20)
    assert_safe_at_any_step(tmp_path, "killed", lambda output: None)


def assert_safe_at_any_step(tmp_path: Path, failure: str, check: Callable[[Path], None]) -> None:
    """A failure at each step in turn; `check` looks at the output after it."""
    number, found = 0, []
    while True:
        output = tmp_path / str(number)
        with OutputFolder(output, "test") as folder:
            publish(folder, OLD, "old")
        assert published(output) == OLD_STATE
        if not FAILURES[failure](number, output, publish_new):
            break
        check(output)
        with OutputFolder(output, "test"):
            pass
        found.append(published(output))
        assert found[-1] in (OLD_STATE, NEW_STATE), number
        assert not (output / ".staging").exists()
        with OutputFolder(output, "test") as folder:
            publish(folder, NEW, "new")
        assert published(output) == NEW_STATE
        number += 1
    # There were steps before the moment that decides, and steps after it.
    assert min(found.count(OLD_STATE), found.count(NEW_STATE)) > 20


def assert_each_old_or_new(output: Path) -> None:
    now = published(output)
    for name in OLD_STATE.keys() | NEW_STATE.keys():
        assert now.get(name) in (OLD_STATE.get(name), NEW_STATE.get(name)), name


def test_killed_again_while_recovering(tmp_path: Path) -> None:
    """A run that finishes what another began may be killed in turn, at any step."""

    def only_recover(folder: OutputFolder) -> None:
        pass

    for first in range(45, 100, 11):
        for second in range(100):
            output = tmp_path / f"{first}-{second}"
            with OutputFolder(output, "test") as folder:
                publish(folder, OLD, "old")
            killed_at(first, output, publish_new)
            if not killed_at(second, output, only_recover):
                break
            assert_each_old_or_new(output)
            with OutputFolder(output, "test"):
                pass
            assert published(output) in (OLD_STATE, NEW_STATE), (first, second)


def test_several_files_to_a_partition_are_replaced(tmp_path: Path) -> None:
    """Also by files that an engine gives the same names in every run."""
    output = tmp_path / "output"
    for run in ("first", "second", "third"):
        with OutputFolder(output, "test") as folder:
            publish(folder, {"day": {"part-0.parquet": run, "part-1.parquet": run}}, run)
        assert published(output)["day"] == [run, run]


# ---------------------------------------------------------------- one publication a run


def contents(output: Path) -> dict[str, bytes]:
    """What readers find: every dataset and document."""
    files = (path for path in output.rglob("*") if path.is_file() and path.name != ".lock")
    staged = output / ".staging"
    return {str(path): path.read_bytes() for path in files if staged not in path.parents}


def test_run_killed_after_the_commit_is_published_whole_by_the_next(
    tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = write_log(tmp_path / "logs" / "a.json", [line(1)]).parent
    options = ["run", "--input", logs, "--output", output]
    assert command(*options).status == 0
    before = contents(output)
    write_log(logs / "b.json", [line(2)])

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(output_folder, "roll_forward", kill)
        assert command(*options).status != 0
    assert contents(output) == before
    with OutputFolder(output, "test"):
        pass
    assert users(output) == [1, 2]
    (week,) = read_dataset(output, "weekly_summary")
    assert week.total_registered == 2
    record = command("report", "--output", output, "--format", "json").json()
    assert record["total_registered"] == 2
    assert (output / "report.html").read_text() == rendered(output)


def test_failure_in_the_second_job_leaves_everything_as_it_was(
    tmp_path: Path, output: Path
) -> None:
    """A limit for the size of files lets the events pass, but not the users."""
    logs = write_log(tmp_path / "logs" / "a.json", [line(1), app_loaded(TIME, 1)]).parent
    options = ["run", "--input", logs, "--output", output]
    assert command(*options).status == 0
    before = contents(output)
    lines = [
        registered(f"2020-11-{2 + user % 5:02}T06:00:00Z", user * 7919, str(user * 31 % 9973))
        for user in range(30_000)
    ]
    write_log(logs / "b.json", lines)
    limited = ["bash", "-c", 'ulimit -f 128; exec "$@"', "_", *command_line(*options)]
    done = subprocess.run(limited, capture_output=True)
    assert done.returncode == 1
    assert b"user_conversion" in done.stderr and b"File too large" in done.stderr
    assert contents(output) == before
    assert_no_litter(output)


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_second_job_reads_what_the_first_one_staged(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """New days, changed days and days that did not change."""
    logs = tmp_path / "logs"
    write_log(logs / "a.json", [line(1), registered("2020-11-03T06:21:14Z", 2)])
    engine.run(output, logs)
    write_log(logs / "b.json", [line(3), app_loaded("2020-11-10T06:21:14Z", 2)])
    answer = engine.run(output, logs).as_json()
    assert (answer["total_registered"], answer["total_converted"]) == (3, 1)
    assert {row.initiator_id: row.converted for row in read_dataset(output, "user_conversion")} == {
        1: False,
        2: True,
        3: False,
    }


def test_conversion_rate_alone_rewrites_the_page_beside_it(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "a.json", [line(1), app_loaded(TIME, 1)])
    assert command("run", "--input", log, "--output", output).status == 0
    before = (output / "report.html").read_text()
    options = ["--output", output, "--definition", "same-week"]
    assert command("conversion-rate", *options).status == 0
    assert (output / "report.html").read_text() == rendered(output) != before
    (output / "report.html").unlink()
    assert command("conversion-rate", *options).status == 0
    assert not (output / "report.html").exists()


# ---------------------------------------------------------------- two runs at once

HOLD = """
import sys
from pathlib import Path
from user_conversion.places.folders.output import OutputFolder
with OutputFolder(Path(sys.argv[1]), "events-split"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that is in the middle of a run."""
    arguments = [sys.executable, "-c", HOLD, str(output)]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


def test_the_second_run_is_refused(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    with held(output) as holder:
        done = command("run", "--input", log, "--output", output)
        assert_refused(done, "events-split", f"process {holder.pid}", output)
        assert not (output / "user_registration").exists()
        assert_refused(command("conversion-rate", "--output", output), holder.pid)
    # It was killed; nothing has to be cleaned up by hand.
    assert command("run", "--input", log, "--output", output).status == 0
    assert users(output) == [1]


def test_many_runs_at_once(tmp_path: Path, output: Path) -> None:
    """Those that get their turn do the work; the others say who was in the way."""
    log = write_log(tmp_path / "log.json", [line(user) for user in range(100)])
    arguments = command_line("run", "--input", log, "--output", output)
    runs = [
        subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(5)
    ]
    ended = [(run.communicate()[1].decode(), run.returncode) for run in runs]
    assert 0 in {status for _, status in ended}
    for error, status in ended:
        assert status == 0 or "is being written by" in error, error
    assert users(output) == list(range(100))
    assert_no_litter(output)


# ---------------------------------------------------------------- stopped, no rights, no space


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_hand(tmp_path: Path, output: Path, stop: signal.Signals) -> None:
    """At once, with a sentence, and with the output as it was for whoever comes next."""
    log = write_log(tmp_path / "a.json", [line(1)])
    assert command("run", "--input", log, "--output", output).status == 0
    more = write_log(tmp_path / "b.json", [line(2)] * 1_000_000)
    arguments = command_line("run", "--input", log, more, "--output", output)
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        wait_until(lambda: (output / ".staging").exists())
        run.send_signal(stop)
        error = run.communicate(timeout=20)[1].decode()
    assert run.returncode == 130, error
    assert error.startswith("user-conversion: interrupted; the previous output is unchanged")
    assert users(output) == [1]
    # If its engine does not stop in time, the next run removes what is left.
    with OutputFolder(output, "test"):
        pass
    assert_no_litter(output)


def wait_until(there: Callable[[], Any]) -> None:
    import time

    end = time.monotonic() + 30
    while not there():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_an_output_that_is_a_file(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    for output in (log, log / "below"):
        assert_refused(command("run", "--input", log, "--output", output), output)
    assert log.read_text() == line(1) + "\n"


def test_an_output_that_may_not_be_written(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", [line(1)])
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    for output in (closed, closed / "below"):
        done = process("run", "--input", log, "--output", output, powerless=True)
        assert_refused(done, output, "--output")
    assert list(closed.iterdir()) == []


@pytest.mark.parametrize(
    "closed",
    [
        "",
        "user_registration/format=parquet",
        "user_registration/format=parquet/derived_tstamp_day=2020-11-02",
        "app_loaded/format=parquet/derived_tstamp_day=2020-11-02",
        "rejected_events/format=parquet",
        "weekly_summary/format=parquet/registration_week=2020-45",
    ],
)
def test_rights_lost_on_the_way(tmp_path: Path, output: Path, closed: str) -> None:
    """The run fails in a sentence; with the rights restored the next one ends it rightly."""
    first = write_log(tmp_path / "a.json", [line(1), app_loaded(TIME, 1)])
    assert command("run", "--input", first, "--output", output).status == 0
    lines = [line(2), app_loaded(TIME, 2), registered("2020-11-03T06:21:14Z", 3)]
    second = write_log(tmp_path / "b.json", lines)
    again = ["run", "--input", first, second, "--output", output]
    (output / closed).chmod(0o555)
    assert_refused(process(*again, powerless=True), output)
    (output / closed).chmod(0o755)
    assert process(*again, powerless=True).status == 0
    assert users(output) == [1, 2, 3]
    assert len(read_dataset(output, "app_loaded")) == 2
    (week,) = read_dataset(output, "weekly_summary")
    assert week.total_registered == 3
    assert_no_litter(output)


def test_a_partition_that_may_not_be_read(tmp_path: Path, output: Path) -> None:
    """It is not taken for an empty one: neither is it left out of the figures nor overwritten."""
    first = write_log(tmp_path / "a.json", [line(1), app_loaded(TIME, 1)])
    assert command("run", "--input", first, "--output", output).status == 0
    second = write_log(tmp_path / "b.json", [line(2), app_loaded(TIME, 2)])
    day = output / "user_registration" / "format=parquet" / "derived_tstamp_day=2020-11-02"
    day.chmod(0o000)
    assert_refused(process("conversion-rate", "--output", output, powerless=True), day)
    more = ["events-split", "--input", first, second, "--output", output]
    assert_refused(process(*more, powerless=True), day)
    day.chmod(0o755)
    assert users(output) == [1]
    assert command(*more).status == 0
    assert users(output) == [1, 2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 5 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=5m", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("only root may mount a small file system, and not everywhere")
    yield disk
    # Lazily: a session of the test may still hold a file there.
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
@pytest.mark.parametrize("free", [0, 20_000, 400_000])
def test_a_full_disk(engine: EngineUnderTest, tmp_path: Path, small_disk: Path, free: int) -> None:
    output = small_disk / "output"
    first = write_log(tmp_path / "a.json", [line(1), app_loaded(TIME, 1)])
    assert command("run", "--input", first, "--output", output).status == 0
    lines = [registered(TIME, user * 7919**3, f"{user:x}") for user in range(2, 40_000)]
    second = write_log(tmp_path / "b.json", lines)
    left = os.statvfs(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * max(0, left.f_bavail * left.f_frsize - free))
    again = ["run", "--input", first, second, "--output", output]
    done = engine.command(*again)
    assert_refused(done, output, "space")
    assert "exception_type" not in done.err
    assert users(output) == [1]
    assert len(read_dataset(output, "weekly_summary")) == 1
    filler.unlink()
    done = engine.command(*again)
    assert done.status == 0, done.err
    assert len(users(output)) == 39_999
    assert_no_litter(output)
