"""Outputs in an object store: a real one, on loopback, behind a proxy that disturbs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.command import Finished, assert_refused, command
from support.logs import WORKED_EXAMPLE, app_loaded, registered, write_log
from support.proxy import Request
from support.stores import KEY, SECRET, Lake

import user_conversion
from user_conversion.inputs import objects
from user_conversion.places.stores import lease as leases
from user_conversion.places.stores.commit import Content
from user_conversion.places.stores.lease import STATE, Lease
from user_conversion.places.stores.store import Store
from user_conversion.rules.errors import OutputError

MORE = [registered("2020-11-10T01:00:00Z", 4), app_loaded("2020-11-17T01:00:00Z", 4)]
RUN = [sys.executable, "-m", "user_conversion", "run"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "logs" / "1.json", WORKED_EXAMPLE)


def run(log: Path, output: object, *more: object) -> Finished:
    return command("run", "--input", log.parent, "--output", output, "--format", "json", *more)


def parquet(contents: dict[str, bytes], folder: Path) -> dict[str, list[Any]]:
    """The rows of each partition."""
    found: dict[str, list[Any]] = {}
    for name, content in contents.items():
        if name.endswith(".parquet"):
            file = folder / "one.parquet"
            file.write_bytes(content)
            rows = duckdb.sql(f"SELECT * FROM read_parquet('{file}', hive_partitioning=false)")
            found.setdefault(name.rpartition("/")[0], []).extend(sorted(map(str, rows.fetchall())))
    return found


def in_folder(output: Path) -> dict[str, bytes]:
    files = (path for path in output.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def is_clean(lake: Lake) -> bool:
    """Whether nothing is left but the lease and the list of what is published."""
    names = {each.name for each in Store(lake.at("out")).list(".staging/")}
    state = json.loads(Store(lake.at("out")).read(STATE) or b"{}")
    free = (state["run"], state["commit"]) == (None, None)
    return free and names <= {STATE, state["published"]}


def recovered(lake: Lake) -> None:
    """What the next run does first, when the lease of the last one is over."""
    with Lease(Store(lake.at("out")), "next", lambda: 1e12):
        pass
    assert is_clean(lake)


def test_the_output_is_that_in_a_folder(lake: Lake, log: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "out", lake.at("out")
    answers = [run(log, output).json() for output in (here, there)]
    assert answers[0] == answers[1]
    for more in (MORE, [registered("2020-11-20T01:00:00Z", 5)], []):
        write_log(log.parent / f"more-{len(list(log.parent.iterdir()))}.json", more)
        answers = [run(log, output).json() for output in (here, there)]
        assert answers[0] == answers[1]
        assert parquet(lake.contents("out"), tmp_path) == {
            f"out/{name}": rows for name, rows in parquet(in_folder(here), tmp_path).items()
        }
        assert is_clean(lake)
    names = {name for name in lake.contents("out") if name.count("/") == 1}
    documents = ("ledger.json", "run.json", "report.html", "state.json")
    assert names == {f"out/{name}" for name in documents}


def test_partitions_that_are_dropped_or_get_fewer_files_lose_objects(
    lake: Lake, log: Path, tmp_path: Path
) -> None:
    run(log, lake.at("out"))
    day = "user_registration/format=parquet/derived_tstamp_day=2020-11-02"
    assert f"out/{day}/part-0.parquet" in lake.contents("out")
    write_log(log, WORKED_EXAMPLE[2:])  # delivered again without the first two users
    run(log, lake.at("out"))
    assert not [name for name in lake.contents("out") if day in name]


def test_commands_one_after_the_other_and_report(lake: Lake, log: Path, tmp_path: Path) -> None:
    output = ("--output", lake.at("out"))
    assert command("events-split", "--input", log, *output).status == 0
    assert command("conversion-rate", *output, "--by", "channel").status == 0
    assert command("check", *output).status == 0
    page = command("report", *output)
    assert page.out == lake.at("out/report.html") + "\n"
    assert b"<html" in lake.contents("out")["out/report.html"]
    assert command("report", *output, "--format", "csv").out.startswith("registration_week")
    assert command("run", "--input", log, *output, "--full-refresh").status == 0
    assert_refused(command("report", "--output", lake.at("none")), f"No run in '{lake.at('none')}'")


def test_the_library_reads_and_writes_a_store(lake: Lake, log: Path) -> None:
    answer = user_conversion.run(str(log), lake.at("out"))
    assert (answer.total_registered, answer.total_converted) == (3, 1)
    users = answer.users()  # noqa: F841 - DuckDB reads variables
    found = duckdb.sql("SELECT initiator_id, registration_week, converted FROM users ORDER BY 1")
    week = "2020-45"
    assert found.fetchall() == [(1, week, False), (2, week, True), (3, week, False)]


def counted(requests: list[Request]) -> Counter[str]:
    return Counter(
        "LIST" if "list-type" in each.path else "DELETE" if each.method == "POST" else each.method
        for each in requests
    )


def test_a_night_pushes_what_changed(lake: Lake, log: Path) -> None:
    run(log, lake.at("out"))
    write_log(log.parent / "2.json", MORE)
    before = lake.contents("out")
    lake.proxy.restart()
    run(log, lake.at("out"))
    requests = counted(lake.proxy.requests)
    after = lake.contents("out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert {name.split("/")[1] for name in changed} == {
        *("ledger.json", "run.json", "report.html", "state.json"),
        *("user_registration", "app_loaded", "user_conversion", "weekly_summary"),
        "rejected_events",
    }
    copies = sum(
        each.method == "PUT" and "/.staging/" not in each.path for each in lake.proxy.requests
    )
    assert copies == len(changed)
    # Two for each object; the lease is taken, committed and freed; the list of what is published.
    assert requests["PUT"] == 2 * len(changed) + 4
    assert (requests["LIST"], requests["DELETE"]) == (2, 1)


def test_a_night_does_not_cost_what_history_did(lake: Lake) -> None:
    costs = []
    for days in (8, 29):
        logs, output = lake.at(f"{days}/logs"), lake.at(f"{days}/out")
        history = [date(2020, 11, 2) + timedelta(day) for day in range(days)]
        for number, day in enumerate(history):
            lines = [registered(f"{day}T06:00:00Z", number), app_loaded(f"{day}T07:00:00Z", number)]
            lake.put(f"{days}/logs/{day}.json", "\n".join(lines).encode())
        assert command("run", "--input", logs, "--output", output).status == 0
        last = history[-1]
        night = [registered(f"{last}T08:00:00Z", 99), app_loaded(f"{last}T09:00:00Z", 99)]
        lake.put(f"{days}/logs/night.json", "\n".join(night).encode())
        lake.proxy.restart()
        assert command("run", "--input", logs, "--output", output).status == 0
        # The state is read week by week.
        is_state = [f"{days}/out/user_conversion/" in each.path for each in lake.proxy.requests]
        costs.append(len(is_state) - sum(is_state))
        assert sum(is_state) <= days / 7 + 2
    assert costs[0] == costs[1]


def test_nothing_new_pushes_the_record_only(lake: Lake, log: Path) -> None:
    run(log, lake.at("out"))
    lake.proxy.restart()
    run(log, lake.at("out"))
    puts = [each.path for each in lake.proxy.requests if each.method == "PUT"]
    gets = [each.path for each in lake.proxy.requests if each.method == "GET"]
    weeks = sum("/user_conversion/" in path for path in gets)  # the state
    found = counted(lake.proxy.requests)
    page = sum("report.html" in path for path in puts)  # it says of which minute it is
    assert page in (0, 2)
    assert found == {"GET": 5 + weeks, "PUT": 4 + 2 + page, "LIST": 2, "DELETE": 1}


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "slow", "cut", "409", "412"])
def test_a_disturbed_request_is_repaired_or_refused(
    lake: Lake, log: Path, tmp_path: Path, fault: str
) -> None:
    run(log, lake.at("out"))
    write_log(log.parent / "2.json", MORE)
    right = run(log, tmp_path / "out").json()
    lake.proxy.restart()
    # Every seventh request; a store answers 409 and 412 only to swaps.
    lake.proxy.disturb = lambda number, request: (
        fault if number % 7 == 3 and (request.is_conditional or not fault.startswith("4")) else None
    )
    done = run(log, lake.at("out"))
    assert done.json() == right
    lake.proxy.restart()
    assert is_clean(lake)


def test_every_single_request_may_fail(lake: Lake, log: Path, tmp_path: Path) -> None:
    """A request that is never answered well ends the run in a sentence; the next one repairs."""
    run(log, lake.at("out"))
    for at in range(0, 100, 5):
        lake.proxy.restart()
        lake.proxy.disturb = lambda number, _, at=at: "denied" if number >= at else None
        done = run(log, lake.at("out"))
        denied = len(lake.proxy.requests) - at
        lake.proxy.restart()
        if denied <= 0:
            break
        recovered(lake)
        if done.status or denied > 1:  # the last request only deletes what was staged
            assert_refused(done, "it is not permitted")
    assert 10 <= at < 95
    assert run(log, lake.at("out")).json() == run(log, tmp_path / "out").json()


@contextlib.contextmanager
def running(log: Path, lake: Lake) -> Iterator[subprocess.Popen[bytes]]:
    words = [*RUN, "--input", str(log.parent), "--output", lake.at("out")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_killed_run_is_finished_or_discarded_by_the_next(
    lake: Lake, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    run(log, lake.at("out"))
    before = parquet(lake.contents("out"), tmp_path)
    write_log(log.parent / "2.json", MORE)
    run(log, tmp_path / "right")
    after = {
        f"out/{n}": rows for n, rows in parquet(in_folder(tmp_path / "right"), tmp_path).items()
    }
    for at in range(4, 70, 8):
        lake.proxy.restart()
        with running(log, lake) as process:
            lake.proxy.disturb = lambda number, _, at=at, process=process: (
                process.kill() or "reset" if number == at else None  # type: ignore[func-returns-value]
            )
            process.wait(60)
        lake.proxy.restart()
        found = parquet(lake.contents("out"), tmp_path)
        for partition, rows in found.items():
            assert rows in (before.get(partition), after.get(partition)), at
        # Its process is over, so the lease is, too.
        with Lease(Store(lake.at("out")), "next"):
            pass
        assert is_clean(lake)
        assert parquet(lake.contents("out"), tmp_path) in (before, after), at
    assert run(log, lake.at("out")).status == 0
    assert parquet(lake.contents("out"), tmp_path) == after
    assert not list(scratch.iterdir())


def test_two_runs_at_once_publish_one_after_the_other_or_one_is_refused(
    lake: Lake, log: Path
) -> None:
    with running(log, lake) as one, running(log, lake) as other:
        ends = {process.communicate(timeout=60)[1] for process in (one, other)}
        statuses = sorted((one.returncode, other.returncode))
    assert statuses in ([0, 0], [0, 1])
    assert statuses == [0, 0] or any(b"is being written by run (process" in end for end in ends)
    assert is_clean(lake)
    assert run(log, lake.at("out")).json()["total_registered"] == 3


def test_ctrl_c_while_pushing_leaves_nothing(lake: Lake, log: Path, tmp_path: Path) -> None:
    run(log, lake.at("out"))
    before = lake.contents("out")
    write_log(log.parent / "2.json", MORE)
    lake.proxy.restart()
    with running(log, lake) as process:
        lake.proxy.disturb = lambda _, each: "slow" if "/.staging/" in each.path else None
        wait_until(
            lambda: any(
                "/.staging/" in each.path and each.method == "PUT" and not each.is_conditional
                for each in lake.proxy.requests
            )
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    lake.proxy.restart()
    assert lake.contents("out") == before


def test_ctrl_c_while_fetching_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    for number in range(40):
        lake.put(f"logs/{number}.json", "\n".join(WORKED_EXAMPLE).encode())
    lake.proxy.restart()
    lake.proxy.disturb = lambda _, each: "slow" if each.is_range else None
    words = [*RUN, "--input", lake.at("logs"), "--output", str(tmp_path / "out")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(each.is_range for each in lake.proxy.requests))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert not (tmp_path / "out").exists() or in_folder(tmp_path / "out") == {}


def test_a_report_as_an_object(lake: Lake, log: Path, tmp_path: Path) -> None:
    run(log, tmp_path / "out")
    for form in ("csv", "html"):
        target, file = lake.at(f"pages/last week.{form}"), tmp_path / form
        for each in (target, file):
            options = ["--output", tmp_path / "out", "--format", form, "--file", each]
            assert command("report", *options).out == f"{each}\n"
        assert lake.contents("pages")[f"pages/last week.{form}"] == file.read_bytes()


def test_a_second_run_is_refused_names_the_first_and_changes_nothing(
    lake: Lake, log: Path, tmp_path: Path
) -> None:
    run(log, lake.at("out"))
    store, kept = Store(lake.at("out")), tmp_path / "kept"
    write_log(log.parent / "2.json", MORE)
    with Lease(store, "run (process 7 on other)") as first:
        state = store.read(STATE)
        done = run(log, lake.at("out"))
        assert store.read(STATE) == state
        kept.write_bytes(b"kept")
        first.publish({"note.txt": (kept, Content(4, "hash"))}, [])
    assert_refused(
        done, f"'{lake.at('out')}' is being written by run (process 7 on other), since 2"
    )
    assert store.read("note.txt") == b"kept"
    assert run(log, lake.at("out")).status == 0


def test_a_run_that_lost_its_lease_says_so_and_changes_nothing(
    lake: Lake, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(log, lake.at("out"))
    before = lake.contents("out")
    write_log(log.parent / "2.json", MORE)
    publish = Lease.publish

    def late(self: Lease, *arguments: Any) -> None:
        with Lease(Store(lake.at("out")), "other", lambda: time.time() + 100):
            publish(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "publish", late)
        done = run(log, lake.at("out"))
    assert_refused(done, f"This run lost '{lake.at('out')}' to another run")
    assert lake.contents("out") == before
    recovered(lake)


def test_the_lease_is_renewed_while_a_run_works(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.6)
    with Lease(Store(lake.at("out")), "long"):
        time.sleep(1.5)
        with (
            pytest.raises(OutputError, match="is being written by long"),
            Lease(Store(lake.at("out")), "other"),
        ):
            pass


def test_what_changed_behind_our_back_is_noticed(lake: Lake, log: Path) -> None:
    run(log, lake.at("out"))
    store = Store(lake.at("out"))
    name = next(each.name for each in store.list("user_registration"))
    content = store.read(name) or b""
    write_log(log.parent / "2.json", MORE)
    for damage in (content[:-1] + b"x", content[:-9], None):
        if damage is None:
            store.delete([name])
        else:
            store.write(name, damage)
        assert_refused(run(log, lake.at("out")), f"'{store.of(name)}' is not as it was published")
    store.write("user_conversion/format=parquet/registration_week=2019-01/part-0.parquet", content)
    assert run(log, lake.at("out"), "--full-refresh").status == 0
    assert not [each for each in store.list("user_conversion") if "2019-01" in each.name]
    assert run(log, lake.at("out")).status == 0


def test_an_output_that_was_copied_into_the_store_goes_on_there(
    lake: Lake, log: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "out", lake.at("out")
    run(log, here)
    for name, content in in_folder(here).items():
        lake.put(f"out/{name}", content)
    for number in (2, 3):
        write_log(log.parent / f"{number}.json", MORE[:number] * number)
        assert run(log, there).json() == run(log, here).json()
        # Some rule of the bucket deleted what is below .staging.
        store = Store(there)
        store.delete([each.name for each in store.list(".staging")])
    assert run(log, there).json() == run(log, here).json()
    assert is_clean(lake)


def test_a_store_without_conditional_writes_is_refused(lake: Lake, log: Path) -> None:
    lake.proxy.disturb = lambda _, request: "501" if request.is_conditional else None
    assert_refused(run(log, lake.at("out")), "the store refuses conditional writes")


def test_no_secret_is_printed_or_written(lake: Lake, log: Path, tmp_path: Path) -> None:
    lake.put("logs/a.json", b"\n".join(map(str.encode, WORKED_EXAMPLE)))
    texts = []
    for fault in (None, "503", "denied", "cut"):
        lake.proxy.disturb = lambda number, _, fault=fault: fault if number % 3 == 2 else None
        done = command("run", "--input", lake.at("logs"), "--output", lake.at("out"), "--verbose")
        texts += [done.out, done.err]
    lake.proxy.restart()
    texts += [content.decode("latin-1") for content in lake.contents("out").values()]
    texts += [(Store(lake.at("out")).read(STATE) or b"").decode()]
    for text in texts:
        assert KEY not in text
        assert SECRET not in text
        assert "X-Amz" not in text


def test_nothing_is_left_in_scratch(
    lake: Lake, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    assert run(log, lake.at("out")).status == 0
    lake.proxy.disturb = lambda *_: "denied"
    assert run(log, lake.at("out")).status == 1
    assert os.listdir(tmp_path / "scratch") == []  # noqa: PTH208


def test_the_output_is_never_an_input(lake: Lake) -> None:
    lake.put("logs/1.json", "\n".join(WORKED_EXAMPLE).encode())
    for _ in range(2):
        done = command("run", "--input", lake.address, "--output", lake.at("logs/out/"))
        assert done.status == 0, done.err
        assert "Skipped" not in done.err


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.usefixtures("spark_session")
def test_spark_goes_from_bucket_to_bucket_in_batches(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "BATCH", 1)
    words = ("run", "--input", lake.at("logs"), "--format", "json", "--output")
    lake.put("logs/loads.json", "\n".join(MORE[1:]).encode())
    for number, lines in enumerate((WORKED_EXAMPLE, MORE)):
        lake.put(f"logs/{number}.json", "\n".join(lines).encode())
        answer = command(*words, lake.at("out"), "--engine", "spark").json()
        assert answer == command(*words, tmp_path / "out").json()
        assert is_clean(lake)
        assert parquet(lake.contents("out"), tmp_path) == {
            f"out/{name}": rows
            for name, rows in parquet(in_folder(tmp_path / "out"), tmp_path).items()
        }
