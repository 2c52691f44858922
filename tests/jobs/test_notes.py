"""What a run says that a person would want to know."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from zipfile import ZipFile

import duckdb
import pytest
from support.command import command
from support.engines import DUCKDB, EngineUnderTest
from support.logs import app_loaded, registered, write_log


def test_a_complete_week_that_changed_is_named(tmp_path: Path, output: Path) -> None:
    """The loads of 9 November are delivered after the week was called complete."""
    logs = tmp_path / "logs"
    first = [registered("2020-11-03T12:00:00Z", user) for user in range(3)]
    write_log(logs / "a.json", [*first, app_loaded("2020-11-25T12:00:00Z", 99)])
    DUCKDB.run(output, logs)
    write_log(logs / "b.json", [app_loaded("2020-11-09T12:00:00Z", user) for user in range(2)])
    (changed,) = DUCKDB.run(output, logs).restated
    assert changed.registration_week == "2020-45"
    assert (changed.before.total_converted, changed.after.total_converted) == (0, 2)
    sentence = "Week 2020-45 was complete with 0 of 3 users converted; now it is 2"
    for form in ("md", "html"):
        file = tmp_path / form
        command("report", "--output", output, "--format", form, "--file", file)
        assert sentence in file.read_text()
    assert DUCKDB.run(output, logs).restated == ()


@pytest.mark.parametrize(("first", "second", "names"), [(25, 26, 1), (26, 26, 1), (26, 25, 0)])
def test_a_week_that_changed_from_one_day_to_the_next_is_named(
    tmp_path: Path, output: Path, first: int, second: int, names: int
) -> None:
    """As a schedule with `--as-of` asks; an earlier day than before knows less."""
    logs = tmp_path / "logs"
    write_log(
        logs / "a.json",
        [
            *(registered("2020-11-03T12:00:00Z", user) for user in range(3)),
            app_loaded("2020-11-26T12:00:00Z", 99),
        ],
    )
    DUCKDB.run(output, logs, as_of=date(2020, 11, first))
    write_log(logs / "b.json", [app_loaded("2020-11-09T12:00:00Z", 1)])
    answer = DUCKDB.run(output, logs, as_of=date(2020, 11, second))
    assert len(answer.restated) == names


def test_another_definition_restates_nothing_and_is_named(tmp_path: Path, output: Path) -> None:
    log = write_log(
        tmp_path / "log.json",
        [
            registered("2020-11-03T12:00:00Z", 1),
            app_loaded("2020-11-10T12:00:00Z", 1),
            app_loaded("2020-11-30T12:00:00Z", 2),
        ],
    )
    options = ["run", "--input", log, "--output", output]
    assert command(*options).err == ""
    done = command(*options, "--definition", "same-week", "--format", "json")
    assert done.err == ("The published output had the definition next-week; now it is same-week.\n")
    assert done.json()["restated"] == []


def test_another_name_of_the_log_format_is_no_news(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [registered("2020-11-03T12:00:00Z", 1)])
    (tmp_path / "mine.toml").write_text('ids = "integer"\n')
    options = ["run", "--input", log, "--output", output]
    assert command(*options).status == 0
    assert "log format" not in command(*options, "--log-format", tmp_path / "mine.toml").err
    assert "log format" in command(*options, "--field", "plan=plan").err


def test_another_log_format_restates_nothing(tmp_path: Path, output: Path) -> None:
    """What was another event is a load now."""
    lines = [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-30T12:00:00Z", 2)]
    opened = {"event": "opened", "timestamp": "2020-11-10T12:00:00Z", "initiator_id": 1}
    log = write_log(tmp_path / "log.json", [*lines, json.dumps(opened)])
    assert DUCKDB.run(output, log).complete.total_converted == 0
    answer = DUCKDB.run(output, log, app_loaded=("app_loaded", "opened"))
    assert answer.complete.total_converted == 1
    assert answer.restated == ()


def test_loads_of_users_who_never_registered(tmp_path: Path, output: Path) -> None:
    """In one file the ids are 101, in the other 101.0, as pandas writes them."""
    lines = [registered("2020-11-03T12:00:00Z", str(user)) for user in range(20)]
    lines += [app_loaded("2020-11-10T12:00:00Z", f"{user}.0") for user in range(20)]
    log = write_log(tmp_path / "log.json", lines)
    options = ["--input", log, "--output", output, "--field", "initiator_id=initiator_id"]
    text = " ".join(command("run", *options).out.split())
    assert "None of 20 loads of the app is by a user who has registered" in text


def test_a_kind_of_event_that_is_absent_is_named(tmp_path: Path, output: Path) -> None:
    logs = tmp_path / "logs"
    write_log(logs / "a.json", [registered("2020-11-03T12:00:00Z", 1), '{"event":"opened"}'])
    done = command("run", "--input", logs, "--output", output)
    assert done.status == 0
    assert done.err.startswith(
        "None of 2 lines is of the kind app_loaded. The logs have the events "
    )
    assert "'opened' (1)" in done.err


def test_a_kind_of_event_that_was_there_before_must_not_vanish(
    tmp_path: Path, output: Path
) -> None:
    log = write_log(
        tmp_path / "log.json",
        [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-10T12:00:00Z", 1)],
    )
    options = ["run", "--input", log, "--output", output]
    assert command(*options).status == 0
    done = command(*options, "--app-loaded", "opened", "--registered", "registered")
    assert done.status == 1
    assert "None of 2 lines is of the kind app_loaded; nothing was published." in done.err


def noted(output: Path, *options: object) -> list[str]:
    """The notes of a run: on standard error and in its record."""
    done = command("run", "--output", output, *options)
    assert done.status == 0, done.err
    notes: list[str] = json.loads((output / "run.json").read_text())["notes"]
    assert [line for line in done.err.splitlines() if line in notes] == notes
    return notes


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_name_of_an_event_that_never_occurs(tmp_path: Path, output: Path, ending: str) -> None:
    """One of two names does; one is written with an escape, one is in another field only."""
    names = ["registered", "sign-up", "démarré"]
    lines = [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-10T12:00:00Z", 1)]
    lines.append(
        '{"event":"d\\u00e9marr\\u00e9","timestamp":"2020-11-03T12:00:00Z","initiator_id":2}'
    )
    log = write_log(tmp_path / "log.json", lines)
    if ending == "parquet":
        rows = duckdb.sql(f"FROM read_json('{log}')")
        log = tmp_path / "log.parquet"
        rows.write_parquet(str(log))
    options = ["--input", log, "--app-loaded", "app_loaded"]
    options += [word for name in names for word in ("--registered", name)]
    (note,) = noted(output, *options)
    assert note == (
        "No line has the event 'sign-up'. The logs have the events 'registered' (1), "
        "'app_loaded' (1), 'démarré' (1)."
    )
    more = write_log(tmp_path / "more.json", [registered("2020-11-04T12:00:00Z", 3)])
    assert noted(output, *options, "--input", more) == []


def test_a_name_of_an_event_that_is_a_number(tmp_path: Path, output: Path) -> None:
    lines = [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-10T12:00:00Z", 1)]
    lines = [line.replace('"registered"', "7").replace('"app_loaded"', "true") for line in lines]
    log = write_log(tmp_path / "log.json", lines)
    options = ["--input", log, "--registered", 7, "--registered", "x", "--app-loaded", "true"]
    (note,) = noted(output, *options)
    assert note.startswith("No line has the event 'x'.")


def test_a_zip_file_of_what_was_read(tmp_path: Path, output: Path) -> None:
    """Beside its unpacked file, or one of two with a file in common; also a night later."""
    logs, lines = tmp_path / "logs", [registered("2020-11-03T12:00:00Z", 1)]
    log = write_log(logs / "a.json", [*lines, app_loaded("2020-11-10T12:00:00Z", 1)])
    other = write_log(tmp_path / "other.json", lines)
    assert noted(output, "--input", logs) == []
    for name, members in (("b.zip", [other, log]), ("c.zip", [other])):
        with ZipFile(logs / name, "w") as archive:
            for member in members:
                archive.write(member, member.name)
    first, second = noted(output, "--input", logs)
    assert first.startswith(f"'{logs}/b.zip' has a log that is also in '{logs}/a.json'")
    assert second.startswith(f"'{logs}/c.zip' has a log that is also in '{logs}/b.zip'")
    log.unlink()
    assert noted(output, "--input", logs) == [first, second]
    assert noted(output, "--input", logs / "b.zip", "--full-refresh") == []


def test_a_field_that_no_registration_has(tmp_path: Path, output: Path) -> None:
    lines = [registered("2020-11-03T12:00:00Z", 1, plan="free")]
    log = write_log(tmp_path / "log.json", [*lines, app_loaded("2020-11-10T12:00:00Z", 1)])
    fields = ["--field", "plan=plan", "--field", "country=context.country"]
    assert noted(output, "--input", log, *fields) == [
        "No registration has the field country: is its path right?"
    ]


def test_bytes_that_are_not_utf_8(tmp_path: Path, output: Path, engine: EngineUnderTest) -> None:
    good = [registered("2020-11-03T12:00:00Z", 1), app_loaded("2020-11-10T12:00:00Z", 1)]
    latin = registered("2020-11-03T12:00:00Z", 2, "cafe").encode().replace(b"cafe", b"caf\xe9")
    log = write_log(tmp_path / "log.json", [*good, latin])
    sentence = "1 rejected line is not UTF-8: the log format can say which encoding it is."
    options = ["--input", log, "--engine", engine.name]
    refused = command("run", *options, "--output", output)
    assert refused.status == 1 and refused.err.endswith(f"{sentence}\n")
    assert noted(output, *options, "--max-rejected", "0.5") == [sentence]
