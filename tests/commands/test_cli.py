"""The command line as a user or a script meets it: options, streams, exit status, sentences."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import unicodedata
import webbrowser
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command import assert_refused, command, command_line, process
from support.datasets import contents, read_dataset
from support.engines import EngineUnderTest
from support.logs import app_loaded, registered, write_log

import user_conversion
from user_conversion.commands.app import app
from user_conversion.commands.usage import commands

LONG_NAME = "conversion-rate-week-after-registration"
LOG = [
    registered("2020-11-02T06:21:14Z", 1, "ad"),
    registered("2020-11-02T07:00:14Z", 2),
    registered("2020-11-03T07:00:14Z", 1234567890123456789, "mail"),
    app_loaded("2020-11-03T06:24:42Z", 1, "phone"),
    app_loaded("2020-11-11T10:13:42Z", 2, "tablet"),
    app_loaded("2020-11-17T11:08:42Z", 1234567890123456789),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write_log(tmp_path / "log.json", LOG)


# ---------------------------------------------------------------- how it is started


def test_version() -> None:
    expected = f"user-conversion {user_conversion.__version__}\n"
    script = Path(sys.executable).with_name("user-conversion")
    printed = subprocess.run([script, "--version"], capture_output=True, check=True)
    assert printed.stdout.decode() == expected
    assert process("--version").out == expected
    assert command("--version").out == expected


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_names_the_commands(arguments: list[str]) -> None:
    done = command(*arguments)
    shown = done.out + done.err
    for name in ("run", "events-split", "conversion-rate", "sample"):
        assert name in shown
    assert done.status == (0 if arguments else 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("run --engine sp", "spark"), ("conversion-rate --def", "--definition"), ("rep", "report")],
)
def test_completion_in_bash(words: str, expected: str) -> None:
    script = command("completion", "bash").out
    typed = f"COMP_WORDS=(user-conversion {words}); COMP_CWORD={len(words.split())}"
    show = 'echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash"],
        input=f"{script}\n{typed}\n_user_conversion\n{show}",
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [expected], done.stderr


def test_every_page_of_help_fits_80_columns() -> None:
    for words in ([], *([name] for name in commands(app))):
        lines = command(*words, "--help").out.splitlines()
        assert lines[0].startswith("Usage: user-conversion")
        assert max(map(len, lines)) <= 80


def test_the_alias(log: Path, output: Path) -> None:
    assert command("events-split", "--input", log, "--output", output).status == 0
    both = [command(name, "--output", output) for name in (LONG_NAME, "conversion-rate")]
    assert both[0].out == both[1].out
    assert both[0].status == both[1].status == 0


# ---------------------------------------------------------------- the JSON


FIGURES = {"total_registered", "total_converted", "conversion_rate", "interval"}
KEYS = {"definition", "timezone", "observed_through", "complete", "weeks", "segments", "events"}
WEEK_KEYS = {"registration_week", "week_start", "complete", "incomplete_because"}
EVENT_KEYS = {
    "lines",
    "registered",
    "app_loaded",
    "other",
    "blank",
    "rejected",
    "anonymous",
    "excluded",
    "identified",
}


def test_json_is_one_object_on_standard_output(log: Path, output: Path) -> None:
    options = ["--input", log, "--output", output, "--format", "json", "--by", "channel"]
    done = process("run", *options)
    assert done.err == ""
    assert done.out.endswith("}\n")
    answer = done.json()
    assert answer.keys() >= KEYS | FIGURES
    assert answer["complete"].keys() == FIGURES
    assert all(week.keys() >= WEEK_KEYS | FIGURES for week in answer["weeks"])
    assert all(segment.keys() >= {"by", "value"} | FIGURES for segment in answer["segments"])
    assert answer["events"].keys() == EVENT_KEYS | {"rejected_by_reason"}
    assert answer["definition"] == "next-week"
    assert answer["timezone"] == "UTC"
    assert answer["observed_through"] == "2020-11-16"
    (week,) = answer["weeks"]
    assert (week["registration_week"], week["week_start"]) == ("2020-45", "2020-11-02")
    assert week["complete"]
    assert {segment["value"] for segment in answer["segments"]} == {"ad", "mail", None}
    low, high = answer["interval"]
    assert 0 < low < answer["conversion_rate"] < high < 100


@pytest.mark.parametrize("name", ["run", "events-split"])
def test_json_of_nothing(tmp_path: Path, output: Path, name: str) -> None:
    """The rate of nobody is null."""
    log = write_log(tmp_path / "log.json", [])
    answer = command(name, "--input", log, "--output", output, "--format", "json").json()
    assert answer["events"]["lines"] == 0
    if name == "run":
        assert answer["conversion_rate"] is None
        assert answer["complete"]["conversion_rate"] is None
        assert answer["weeks"] == []


def test_a_table_of_nothing(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [app_loaded("2020-11-03T06:24:42Z", 1)])
    done = command("run", "--input", log, "--output", output)
    assert done.status == 0
    assert "0 of 0 users" in done.out


def test_run_json_tells_what_was_done(log: Path, output: Path) -> None:
    options = ["--input", log, "--output", output, "--timezone", "Asia/Tokyo"]
    assert command("run", *options, "--definition", "same-week").status == 0
    text = (output / "run.json").read_text(encoding="utf-8")
    run = json.loads(text)
    assert (run["command"], run["engine"]) == ("run", "duckdb")
    assert (run["definition"], run["timezone"]) == ("same-week", "Asia/Tokyo")
    assert run["versions"]["user-conversion"] == user_conversion.__version__
    assert run["seconds"] > 0
    assert datetime.fromisoformat(run["run_at"])
    jobs = run["jobs"]
    assert jobs["events-split"]["parameters"]["input"] == [str(log)]
    assert jobs["events-split"]["counts"]["registered"] == 3
    assert jobs[LONG_NAME]["result"]["total_converted"] == 1
    # No row of user data.
    assert "1234567890123456789" not in text


# ---------------------------------------------------------------- options


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "a.json", "b.json", "c.json", "--output", "o"],
        ["--input", "a.json", "--input", "b.json", "--input", "c.json", "--output", "o"],
        ["--output", "o", "--input", "a.json", "b.json", "c.json", "--format", "table"],
        ["--input=a.json", "--input=b.json", "--input=c.json", "--output=o"],
        ["--output", "o", "--input", "?.json"],
    ],
)
def test_several_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for user, name in enumerate(("a.json", "b.json", "c.json")):
        write_log(tmp_path / name, [registered("2020-11-02T06:21:14Z", user)])
    monkeypatch.chdir(tmp_path)
    done = command("run", *arguments)
    assert done.status == 0, done.err
    assert len(read_dataset(tmp_path / "o", "user_registration")) == 3


def test_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_log(tmp_path / "data-input" / "log.json", LOG)
    monkeypatch.chdir(tmp_path)
    assert command("events-split").status == 0
    assert "next-week" in command(LONG_NAME).out
    assert len(read_dataset(tmp_path / "data-output", "user_conversion")) == 3


def test_options_from_the_environment(tmp_path: Path, log: Path) -> None:
    output = tmp_path / "from the environment"
    more = write_log(tmp_path / "more logs" / "b.json", ["{}", LOG[0]])
    environment = {
        "INPUT": os.pathsep.join(map(str, (log, more.parent))),
        "OUTPUT": str(output),
        "TIMEZONE": "America/New_York",
        "DEFINITION": "same-week",
        "AS_OF": "2020-11-12",
        "BY": "device_type",
        "FORMAT": "json",
        "MAX_REJECTED": "0.5",
        "FULL_REFRESH": "1",
        "ENGINE": "duckdb",
    }
    variables = {f"USER_CONVERSION_{name}": value for name, value in environment.items()}
    answer = process("run", **variables).json()
    assert (answer["timezone"], answer["definition"]) == ("America/New_York", "same-week")
    assert answer["observed_through"] == "2020-11-12"
    assert answer["events"]["lines"] == 8
    assert {segment["by"] for segment in answer["segments"]} == {"device_type"}
    # What is given on the command line goes first.
    answer = process("run", "--timezone", "UTC", **variables).json()
    assert answer["timezone"] == "UTC"


def test_the_zone_of_the_machine_changes_nothing(log: Path, tmp_path: Path) -> None:
    options = ["run", "--input", log, "--timezone", "America/New_York", "--format", "json"]
    printed = {
        process(*options, "--output", tmp_path / str(number), TZ=zone).out
        for number, zone in enumerate(("UTC", "Pacific/Kiritimati", "America/St_Johns"))
    }
    assert len(printed) == 1


WRONG_USAGE: dict[str, list[str]] = {
    "unknown command": ["analyse"],
    "unknown option": ["run", "--frobnicate"],
    "unknown engine": ["run", "--engine", "oracle"],
    "unknown definition": ["run", "--definition", "ever"],
    "unknown format": ["run", "--format", "xml"],
    "option without its value": ["run", "--timezone"],
    "impossible date": ["run", "--as-of", "2020-02-30"],
    "a time for a date": ["run", "--as-of", "2020-02-03T04:05"],
    "words for a share": ["run", "--max-rejected", "some"],
    "negative share": ["run", "--max-rejected", "-0.1"],
    "share over one": ["run", "--max-rejected", "1.1"],
    "share that is no number": ["run", "--max-rejected", "nan"],
    "unknown zone": ["run", "--timezone", "Mars/Olympus_Mons"],
    "a path for a zone": ["run", "--timezone", "../../../etc/passwd"],
    "no zone": ["run", "--timezone", ""],
    "a folder of zones": ["run", "--timezone", "America"],
    "property without a value": ["run", "--conf", "spark.sql.shuffle.partitions"],
    "too many arguments": [LONG_NAME, "data-output"],
    "a word that is no option": ["run", "--output", "data-output", "data-input"],
    "an option twice": ["run", "--engine", "duckdb", "--engine", "duckdb"],
    "an option of the other job": [LONG_NAME, "--full-refresh"],
    "date before all events": ["run", "--as-of", "0001-01-01"],
    "date after all time": ["run", "--as-of", "9999-12-31"],
}


@pytest.mark.parametrize("url", ["http://bucket/out", "hdfs://node:8020/out", "file:///tmp/out"])
@pytest.mark.parametrize("option", ["--input", "--output"])
def test_a_url_is_no_folder(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    options = {"--input": log, "--output": "output"} | {option: url}
    done = command("run", *(word for pair in options.items() for word in pair))
    assert_refused(done, "is a URL", status=2)
    assert sorted(tmp_path.rglob("*")) == before


def test_unknown_choices_are_answered_with_the_list() -> None:
    done = command("run", "--engine", "oracle")
    assert done.err == "user-conversion: --engine oracle: choose one of duckdb, spark.\n"
    assert "choose one of next-week, same-week" in command("run", "--definition", "ever").err
    assert "choose one of html, csv, json, md" in command("report", "--format", "xml").err
    for number in ("1.9", "x"):
        assert f"{number}: give a whole number" in command("check", "--max-age", number).err


@pytest.mark.parametrize("what", WRONG_USAGE)
def test_wrong_usage(log: Path, output: Path, what: str) -> None:
    name, *options = WRONG_USAGE[what]
    inputs = ["--input", log] if name == "run" else []
    done = command(name, *inputs, *(["--output", output] if name != "analyse" else []), *options)
    assert_refused(done, status=2)
    assert not output.exists()


def test_an_unknown_zone_is_told_the_nearest_names(log: Path, output: Path) -> None:
    for wrong, near in (
        ("Europe/Berln", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("tokyo", "Asia/Tokyo"),
        ("utc", "UTC"),
    ):
        done = command("run", "--input", log, "--output", output, "--timezone", wrong)
        assert_refused(done, wrong, near, status=2)


def test_a_segment_that_was_not_kept(log: Path, output: Path) -> None:
    assert command("events-split", "--input", log, "--output", output).status == 0
    done = command(LONG_NAME, "--output", output, "--by", "campaign")
    assert_refused(done, "campaign", "--field", status=2)


# ---------------------------------------------------------------- a run that fails


def test_no_events_yet(output: Path) -> None:
    assert_refused(command(LONG_NAME, "--output", output), output, "events-split")
    assert not output.exists()


def other_columns(path: Path) -> None:
    table = pq.ParquetFile(path).read()
    pq.write_table(table.rename_columns(["event", "at", "initiator_id", "channel"]), path)


def other_types(path: Path) -> None:
    table = pq.ParquetFile(path).read()
    at = table.schema.get_field_index("initiator_id")
    pq.write_table(table.set_column(at, "initiator_id", pa.array([[1]] * len(table))), path)


@pytest.mark.parametrize("damage", [other_columns, other_types])
def test_parquet_of_the_wrong_shape(
    engine: EngineUnderTest, log: Path, output: Path, damage: Any
) -> None:
    """Of one day among several: a sentence, and the results as they were."""
    assert command("run", "--input", log, "--output", output).status == 0
    results = {path: path.read_bytes() for path in (output / "weekly_summary").rglob("*.parquet")}
    folder = output / "user_registration" / "format=parquet" / "derived_tstamp_day=2020-11-03"
    (path,) = folder.iterdir()
    damage(path)
    done = engine.command(LONG_NAME, "--output", output)
    assert_refused(done, "--full-refresh")
    assert {path: path.read_bytes() for path in results} == results
    refresh = ["events-split", "--input", log, "--output", output, "--full-refresh"]
    assert command(*refresh).status == 0
    assert len(read_dataset(output, "user_registration")) == 3


@pytest.mark.parametrize(("name", "status"), [("run", 1), (LONG_NAME, 2)])
def test_a_failed_run_leaves_the_output_as_it_was(
    log: Path, tmp_path: Path, output: Path, name: str, status: int
) -> None:
    assert command("run", "--input", log, "--output", output).status == 0
    before = contents(output)
    bad = write_log(tmp_path / "bad.json", ["nonsense"] * 10)
    arguments = {
        "run": ["--input", log, bad, "--output", output],
        LONG_NAME: ["--output", output, "--by", "nothing"],
    }[name]
    assert command(name, *arguments).status == status
    assert contents(output) == before


# ---------------------------------------------------------------- streams


def test_progress_and_colour_are_not_for_pipes(log: Path, output: Path) -> None:
    done = process("run", "--input", log, "--output", output, TERM="xterm-256color")
    assert done.err == ""
    assert "\x1b" not in done.out
    assert "Conversion rate: 33.33 % (1 of 3 users)" in done.out


@pytest.mark.parametrize("output_format", ["table", "json"])
def test_control_characters_of_the_log_do_not_reach_the_terminal(
    tmp_path: Path, output: Path, output_format: str
) -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\x7f\x9b31m\r\n\x00"
    lines = [registered("2020-11-02T06:21:14Z", 1, hostile)]
    lines += [app_loaded("2020-11-30T06:21:14Z", 1, hostile), hostile, hostile]
    log = write_log(tmp_path / "log.json", lines)
    for by in ("channel", "device_type"):
        done = command(
            *("run", "--input", log, "--output", output / by, "--by", by),
            *("--format", output_format, "--max-rejected", 1),
        )
        assert done.status == 0, done.err
        shown = (done.out + done.err).replace("\n", "")
        assert not [char for char in shown if unicodedata.category(char) == "Cc"]
    if output_format == "json":
        assert done.json()["weeks"]


@pytest.mark.parametrize("name", ["[bold]", "[/]", "[/nothing]", ":smile:", "{x}", "%s", "\\"])
def test_names_are_no_markup(tmp_path: Path, output: Path, name: str) -> None:
    lines = [registered("2020-11-02T06:21:14Z", 1, name)]
    lines += [app_loaded("2020-11-30T06:21:14Z", 1)]
    log = write_log(tmp_path / "log.json", lines)
    done = command("run", "--input", log, "--output", output, "--by", "channel")
    assert done.status == 0, done.err
    assert name in done.out


def test_closed_pipe_on_stdout_is_not_an_error(log: Path, output: Path) -> None:
    """`user-conversion run | head -1`."""
    arguments = command_line("run", "--input", log, "--output", output)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout
        assert run.stderr
        run.stdout.close()
        error = run.stderr.read().decode()
    assert (run.returncode, error) == (0, "")
    assert len(read_dataset(output, "user_conversion")) == 3


@pytest.mark.parametrize(
    ("stream", "status", "complains"),
    [(">/dev/full", 1, True), (">&-", 0, False), ("2>&-", 0, False), ("2>/dev/full", 0, False)],
)
def test_full_or_closed_streams(
    log: Path, output: Path, stream: str, status: int, complains: bool
) -> None:
    words = [str(each) for each in command_line("run", "--input", log, "--output", output)]
    done = subprocess.run(
        f"exec {shlex.join(words)} {stream}", shell=True, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    sentence = "user-conversion: Cannot write to standard output: No space left on device.\n"
    assert done.stderr == (sentence if complains else "")
    assert (output / "report.html").exists()


def test_report_to_a_device_a_pipe_or_a_link_does_not_replace_it(
    log: Path, output: Path, tmp_path: Path
) -> None:
    assert command("run", "--input", log, "--output", output).status == 0
    device, pipe, link = tmp_path / "null", tmp_path / "pipe", tmp_path / "link"
    device.symlink_to("/dev/null")
    link.symlink_to(tmp_path / "real.csv")
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    for target in (device, pipe, link):
        report = ("report", "--output", output, "--format", "csv", "--file", target)
        assert command(*report).status == 0
    content, _ = reader.communicate(timeout=30)
    assert content.startswith(b"registration_week,") and content == link.read_bytes()
    assert device.is_symlink() and link.is_symlink() and pipe.is_fifo()
    assert not Path("/dev/null").is_file()


def test_a_report_that_cannot_be_written(log: Path, output: Path) -> None:
    assert command("run", "--input", log, "--output", output).status == 0
    target = output / "run.json" / "report.csv"
    done = command("report", "--output", output, "--format", "csv", "--file", target)
    assert_refused(done, f"'{target}'", "--file")
    assert "--output" not in done.err


@pytest.mark.parametrize("output_format", ["table", "json"])
def test_a_terminal_that_knows_ascii_only(tmp_path: Path, output: Path, output_format: str) -> None:
    lines = [registered("2020-11-04T06:21:14Z", 7, "日本"), *LOG]
    lines += [app_loaded("2020-11-30T06:21:14Z", 7)]
    log = write_log(tmp_path / "log.json", lines)
    options = ["--input", log, "--output", output, "--by", "channel", "--format", output_format]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = process("run", *options, **locale)
    assert "Traceback" not in done.err
    assert done.status == 0
    assert "25.0" in done.out
    assert done.out.isascii()
    if output_format == "json":
        assert "日本" in {segment["value"] for segment in done.json()["segments"]}


# ---------------------------------------------------------------- the sample


def test_a_sample_can_be_made_and_run(tmp_path: Path, output: Path) -> None:
    sample = tmp_path / "logs" / "sample.json"
    made = command("sample", "--output", sample, "--users", 200, "--seed", 7)
    assert made.status == 0, made.err
    done = command("run", "--input", sample, "--output", output, "--format", "json")
    assert done.json()["total_registered"] == 200
    assert done.json()["events"]["rejected"] == 0


def test_a_sample_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command("sample", "--output", tmp_path / "file" / "sample.json", "--users", 5)
    assert_refused(done, f"'{tmp_path / 'file' / 'sample.json'}'", "--output")


def test_the_page_is_opened_in_the_browser(
    log: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or url != "no")
    done = command("run", "--input", log, "--output", output, "--open")
    assert done.status == 0
    page = (output / "report.html").resolve().as_uri()
    assert opened == [page]
    assert command("report", "--output", output, "--open").status == 0
    assert opened == [page, page]
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    refused = command("report", "--output", output, "--open")
    assert (refused.status, "no browser can show" in refused.err) == (1, True)
    wrong = command("report", "--output", output, "--open", "--format", "md")
    assert_refused(wrong, "--format", status=2)


def test_what_is_piped_in_is_not_inspected() -> None:
    assert_refused(command("inspect", "-"), "write what is piped in to one first")
