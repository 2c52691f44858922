"""Logs in an object store: a real one, on loopback, behind a proxy that disturbs it."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from obstore.store import MemoryStore
from support.command import assert_refused, command
from support.datasets import CONTRACT, row_counts
from support.logs import WORKED_EXAMPLE, app_loaded, registered
from support.stores import Lake

from user_conversion.inputs import objects
from user_conversion.inputs.files import find_files
from user_conversion.inputs.objects import Objects
from user_conversion.places.stores import store as stores
from user_conversion.places.stores.store import Store
from user_conversion.rules.errors import InputError

Run = Callable[..., dict[str, Any]]
LINES = [line.encode() + b"\n" for line in WORKED_EXAMPLE]
ALL = b"".join(LINES)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs both jobs on some inputs into the same folder; returns the answer."""

    def run(*inputs: object, options: tuple[object, ...] = ()) -> dict[str, Any]:
        words = ["--output", tmp_path / "out", "--format", "json", *options]
        answer: dict[str, Any] = command("run", *words, "--input", *inputs).json()
        return answer

    return run


def gets(lake: Lake) -> int:
    """How often parts of objects were asked for."""
    return sum(request.is_range for request in lake.proxy.requests)


def figures(answer: dict[str, Any]) -> tuple[int, int, int]:
    return answer["events"]["lines"], answer["total_registered"], answer["total_converted"]


def test_objects_files_and_globs_are_one_input(lake: Lake, tmp_path: Path, run: Run) -> None:
    lake.put("logs/a b.json", b"".join(LINES[:2]))
    lake.put("logs/100%25#ü+?.json", LINES[2])
    lake.put("logs/day=1/c.json.gz", gzip.compress(b"".join(LINES[3:5])))
    lake.put("logs/_hidden/x.json", b"no log")
    lake.put("logs/tmp/x.json", b"no log")
    lake.put("logs/empty.json", b"")
    lake.put("more/2020-11.json", LINES[5])
    lake.put("more/2021-11.json", b"not this")
    (tmp_path / "here.json").write_bytes(LINES[6])
    options = ("--exclude", "tmp")
    inputs = [lake.at("logs/"), lake.at("more/2020-*"), tmp_path / "here.json"]
    assert figures(run(*inputs, options=options)) == (7, 3, 1)


def test_only_new_objects_are_fetched(lake: Lake, run: Run) -> None:
    for number, line in enumerate(LINES[:6]):
        lake.put(f"logs/{number}.json", line)
    run(lake.at("logs"))
    assert gets(lake) == 6
    lake.proxy.restart()
    assert figures(run(lake.at("logs"))) == (6, 3, 1)
    assert len(lake.proxy.requests) == 1  # the listing
    lake.put("logs/6.json", LINES[6])
    lake.proxy.restart()
    assert figures(run(lake.at("logs"))) == (7, 3, 1)
    assert len(lake.proxy.requests) == 2


@pytest.mark.parametrize("batch", [objects.BATCH, 1])
def test_objects_that_grow_move_go_or_are_replaced_are_as_files(
    lake: Lake, run: Run, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(objects, "BATCH", batch)
    lake.put("logs/a.json", b"".join(LINES[:3]))
    lake.put("logs/b.json", b"".join(LINES[3:6]))
    run(lake.at("logs"))
    lake.put("logs/a.json", b"".join(LINES[:3]) + LINES[6])  # grown
    Store(lake.address).delete(["logs/b.json"])  # compressed later, under another name
    lake.put("logs/c.json.gz", gzip.compress(b"".join(LINES[3:6])))
    assert figures(run(lake.at("logs"))) == (7, 3, 1)
    lake.put("logs/a.json", LINES[0] + LINES[1])  # delivered again: one user and one load less
    assert figures(run(lake.at("logs"))) == (5, 2, 1)


def test_an_object_that_changes_while_it_is_read_is_noticed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.put("a.json", ALL)
    batches = Objects.batches

    def late(self: Objects, files: Any) -> Any:
        lake.put("a.json", ALL + LINES[0])
        return batches(self, files)

    monkeypatch.setattr(Objects, "batches", late)
    done = command("run", "--input", lake.at("a.json"), "--output", tmp_path / "out")
    assert_refused(done, f"'{lake.at('a.json')}' changed while it was read; run again.")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fault", ["503", "reset", "lost", "slow", "cut", "short"])
@pytest.mark.parametrize("what", ["list-type", "a.json"])
def test_a_disturbed_answer_is_asked_for_again(lake: Lake, run: Run, fault: str, what: str) -> None:
    lake.put("logs/a.json", ALL)
    lake.proxy.restart()
    disturbed = []

    def once(_: int, request: Any) -> str | None:
        if what in request.path and not disturbed:
            disturbed.append(request)
            return fault
        return None

    lake.proxy.disturb = once
    assert figures(run(lake.at("logs"))) == (7, 3, 1)
    assert disturbed


def test_large_objects_come_in_parts(lake: Lake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("user_conversion.inputs.objects.PART", 100)
    lake.put("logs/a.json", ALL)
    assert figures(run(lake.at("logs"))) == (7, 3, 1)
    assert gets(lake) == -(-len(ALL) // 100)


REFUSED = {
    "denied": "it is not permitted; ask for the right",
    "skewed": "the clock of this machine is wrong; set it",
    "region": "the bucket is in another region; set AWS_REGION",
    "archived": "the object is in an archive class; restore it first",
}


@pytest.mark.parametrize("fault", REFUSED)
@pytest.mark.parametrize("what", ["list-type", "a.json"])
def test_a_refusal_is_one_sentence(lake: Lake, tmp_path: Path, fault: str, what: str) -> None:
    lake.put("logs/a.json", ALL)
    lake.proxy.disturb = lambda _, request: fault if what in request.path else None
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert_refused(done, lake.at("logs"), REFUSED[fault])


def test_a_short_answer_is_never_taken_for_the_whole(lake: Lake, tmp_path: Path) -> None:
    lake.put("logs/a.json", ALL)
    lake.proxy.disturb = lambda _, request: "short" if request.is_range else None
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert_refused(done, f"Cannot read '{lake.at('logs/a.json')}'")


def test_wrong_addresses_are_named(lake: Lake, tmp_path: Path) -> None:
    lake.put("logs/a.json", ALL)
    output = ("--output", tmp_path / "out")
    for address, sentence in (
        (lake.at("none"), f"'{lake.at('none')}' does not exist."),
        (lake.at("logs/*.gz"), f"Nothing matches '{lake.at('logs/*.gz')}'."),
        ("s3://no-such-bucket/a", "Cannot list 's3://no-such-bucket/a': there is no such bucket"),
    ):
        assert_refused(command("run", "--input", address, *output), sentence)
    lake.put("delta/_delta_log/0.json", b"{}")
    assert_refused(command("run", "--input", lake.at("delta"), *output), "table of Delta Lake")


NAMES, GLOBS = ["a", "b", "ab", "[ab]", "c*"], ["*", "**", "a*", "?", "[ab]", "*b", "a"]


@given(
    st.sets(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join), min_size=1),
    st.lists(st.sampled_from(GLOBS), min_size=1, max_size=3).map("/".join),
    st.sampled_from([(), ("b",), ("*b",)]),
)
def test_a_glob_matches_objects_as_files(
    names: set[str], pattern: str, exclude: tuple[str, ...]
) -> None:
    """But for `**`, whose matches in excluded folders are left out of objects only."""
    assume(not exclude or "**" not in pattern)

    def found(where: str, objects: Objects | None) -> set[str]:
        try:
            files = find_files([f"{where}/{pattern}"], (), exclude, objects).files
        except InputError:
            return set()
        return {each.name.removeprefix(where) for each in files}

    with TemporaryDirectory() as folder:
        logs, objects = Path(folder).resolve() / "logs", Objects(Path(folder))
        store = Store("s3://bucket", MemoryStore())
        objects._store = lambda _: store  # type: ignore[assignment,method-assign]
        for name in names:
            path = logs / f"{name}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
            store.write(f"logs/{name}.log", b"{}")
        assert found("s3://bucket/logs", objects) == found(str(logs), None)


def test_an_address_that_exists_is_never_taken_for_a_glob(lake: Lake, run: Run) -> None:
    lake.put("logs/[ab]/1.json", b"".join(LINES[:2]))
    lake.put("logs/a/1.json", b"not this")
    lake.put("logs/c[1].json", b"".join(LINES[2:]))
    assert figures(run(lake.at("logs/[ab]"), lake.at("logs/c[1].json"))) == (7, 3, 1)


@pytest.mark.parametrize(
    ("variable", "sentence"),
    [
        ("AWS_ACCESS_KEY_ID", "the access key is not known"),
        ("AWS_SECRET_ACCESS_KEY", "the secret key is wrong"),
    ],
)
def test_a_wrong_key_is_one_sentence_and_not_printed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, "planted-wrong-key")
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert_refused(done, sentence)
    assert "planted" not in done.err


def test_an_object_that_is_too_large_is_refused_before_anything_is_fetched(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.put("logs/a.json", ALL)
    lake.put("logs/b.json", LINES[0])
    lake.proxy.restart()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": len(ALL) - 1})())
    done = command("run", "--input", lake.at("logs"), "--output", tmp_path / "out")
    assert_refused(done, f"'{lake.at('logs/a.json')}' has 0 MB", "50% of what is free", "TMPDIR")
    assert not gets(lake)


def test_objects_come_in_batches_within_a_bound_of_the_disk(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every kind of file, with lines that need a second look; each is fetched once."""
    broken = registered("2020-11-02T06:21:14Z", 1.5).encode() + b"\n"
    for number, line in enumerate(LINES):
        lake.put(f"logs/{number}.json", line + broken)
    lake.put("logs/same.json", LINES[0] + broken)
    lake.put("logs/table.csv", b"event,timestamp,initiator_id\napp_loaded,2020-11-05T00:00:00Z,9\n")
    lake.put("logs/packed.json.gz", gzip.compress(LINES[0] + b"\0"))  # not as DuckDB wants it
    lake.put("logs/readme.txt", b"no log")
    large = lake.put("logs/large.json", 3 * ALL)
    options = ("--input", lake.at("logs"), "--max-rejected", 1, "--format", "json")
    at_once = command("run", "--output", tmp_path / "one", *options).json()
    bound, most = 3 * len(ALL) + 10, 0
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2 * bound})())
    monkeypatch.setattr(objects, "BATCH", 2 * len(LINES[0] + broken))
    fetch = Store.fetch

    def watched(self: Store, name: str, tag: str, target: Path, *part: int) -> None:
        nonlocal most
        fetch(self, name, tag, target, *part)
        here = sum(path.stat().st_size for path in target.parent.iterdir())
        most = max(most, here)

    monkeypatch.setattr(Store, "fetch", watched)
    lake.proxy.restart()
    in_batches = command("run", "--output", tmp_path / "many", *options).json()
    assert in_batches == at_once
    assert (in_batches["events"]["rejected"], in_batches["events"]["lines"]) == (8, 38)
    assert gets(lake) == len(LINES) + 5
    assert 3 * len(ALL) <= most <= bound
    for name in CONTRACT:
        assert row_counts(tmp_path / "one", name) == row_counts(tmp_path / "many", name), name
    lake.put("logs/large.json", 4 * ALL)
    assert_refused(command("run", "--output", tmp_path / "many", *options), f"'{large}' has 0 MB")


def test_a_run_that_was_killed_between_batches_leaves_nothing(
    lake: Lake, tmp_path: Path, run: Run
) -> None:
    for number, line in enumerate(LINES):
        lake.put(f"logs/{number}.json", line)
    script = (
        "from user_conversion.inputs import objects; objects.BATCH = 1\n"
        "from user_conversion.__main__ import main; main()"
    )
    words = ["run", "--input", lake.at("logs"), "--output", str(tmp_path / "out")]
    for at in (2, 4, 7):
        lake.proxy.restart()
        with subprocess.Popen([sys.executable, "-c", script, *words], stderr=DEVNULL) as process:
            lake.proxy.disturb = lambda _, request, at=at, process=process: (
                process.kill() or "reset" if request.is_range and gets(lake) == at else None
            )
            assert process.wait(60) < 0
        lake.proxy.restart()
        assert list((tmp_path / "out").rglob("objects/*"))
    assert figures(run(lake.at("logs"))) == (7, 3, 1)
    assert not list((tmp_path / "out").rglob("objects"))


def test_a_million_objects_are_listed_in_seconds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = [f"logs/day={number % 1000:03}/{number}.json" for number in range(100_000)]
    listed = [stores.StoredObject(name, 10, f'"{name}"') for name in names]
    monkeypatch.setattr(Store, "__init__", lambda self, address: None)
    monkeypatch.setattr(Store, "list", lambda self, below: listed)
    assert len(Objects(tmp_path).find("s3://bucket/logs")) == 100_000


def test_a_folder_that_is_an_object_is_no_log(lake: Lake, run: Run) -> None:
    lake.put("logs/day=1/a.json", ALL)
    lake.put("logs/day=2", b"")
    lake.put("logs/day=2/b.json", app_loaded("2020-11-05T00:00:00Z", 9).encode())
    answer = run(lake.at("logs"))
    assert figures(answer) == (8, 3, 1)


def test_addresses_come_from_the_environment_and_the_project_file(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [lake.put(f"logs/{number}.json", line) for number, line in enumerate(LINES)]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.json").write_bytes(LINES[0])
    monkeypatch.setenv("USER_CONVERSION_INPUT", ":".join(["here.json", *addresses[1:]]))
    assert figures(command("run", "--format", "json").json()) == (7, 3, 1)
    monkeypatch.delenv("USER_CONVERSION_INPUT")
    (tmp_path / "user-conversion.toml").write_text(
        f'input = "{lake.at("logs")}"\noutput = "{lake.at("out")}"\n'
    )
    assert figures(command("run", "--format", "json").json()) == (7, 3, 1)
    assert "out/run.json" in lake.contents("out")


def test_inspect_reads_the_beginnings_of_objects(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.put("logs/a.json", 1000 * ALL)
    lake.put("logs/b.json.gz", gzip.compress(ALL))
    lake.put("logs/c.csv", b"event,timestamp,initiator_id\napp_loaded,2020-11-05T00:00:00Z,9\n")
    monkeypatch.setattr("user_conversion.inputs.inspection.samples.BEGINNING", 300_000)
    lake.proxy.restart()
    done = command("inspect", lake.at("logs"))
    assert done.status == 0, done.err
    assert f"--input {lake.at('logs')}" in done.out
    assert "app_loaded" in done.out
    assert gets(lake) == 3


def test_a_place_is_known_by_the_address_that_people_gave(lake: Lake, tmp_path: Path) -> None:
    lake.put("logs/a.json", ALL + b"broken\n")
    output = tmp_path / "out"
    refused = command("run", "--input", lake.at("logs"), "--output", output)
    assert_refused(refused, f"{lake.at('logs/a.json')}, line 8, invalid_json: broken")


def test_registered_from_two_stores_is_one_user(lake: Lake, run: Run) -> None:
    lake.put("a/1.json", registered("2020-11-02T06:21:14Z", 1).encode())
    lake.put("b/1.json", registered("2020-11-02T06:21:14Z", 1, "ads").encode())
    assert figures(run(lake.at("a"), lake.at("b")))[:2] == (2, 1)
