"""Where options come from: the command line, variables, the project file, defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.command import assert_refused, command
from support.logs import app_loaded, registered, write_log

PROJECT = """
input = ["logs"]
output = "published"
timezone = "America/New_York"
as_of = 2020-11-20
max_rejected = 0.5
by = "plan"
no_report = true
format = "json"

[field]
plan = "channel"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a log of two users: one registers on Monday 00:30 UTC."""
    write_log(
        tmp_path / "logs" / "a.json",
        [
            registered("2020-11-02T00:30:00Z", 1, "ad"),
            registered("2020-11-03T12:00:00Z", 2, "mail"),
            app_loaded("2020-11-10T12:00:00Z", 2),
            "{}",
        ],
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str, name: str = "user-conversion.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_each_command_takes_its_options_from_the_project_file(folder: Path) -> None:
    write(folder, PROJECT)
    answer = command("run").json()
    assert answer["timezone"] == "America/New_York"
    assert answer["observed_through"] == "2020-11-20"
    assert [week["registration_week"] for week in answer["weeks"]] == ["2020-44", "2020-45"]
    assert {each["value"] for each in answer["segments"]} == {"ad", "mail"}
    assert not (folder / "published" / "report.html").exists()
    assert command("events-split").json()["files_read"] == 0
    assert command("conversion-rate").json()["segments"] == answer["segments"]
    assert command("check").json()["timezone"] == "America/New_York"
    # The format of a report is another option than that of a run.
    assert command("report").out == "published/report.html\n"


def test_the_command_line_goes_before_variables_and_these_before_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, PROJECT)
    monkeypatch.setenv("USER_CONVERSION_TIMEZONE", "Asia/Tokyo")
    monkeypatch.setenv("USER_CONVERSION_BY", "")
    answer = command("run").json()
    assert (answer["timezone"], answer["segments"][0]["by"]) == ("Asia/Tokyo", "plan")
    assert command("run", "--timezone", "UTC").json()["timezone"] == "UTC"


def test_another_project_file(folder: Path) -> None:
    write(folder, "nonsense = 1")
    write(folder, "\ufeff" + PROJECT, "other.toml")
    assert command("run", "--config", "other.toml").json()["timezone"] == "America/New_York"
    done = command("run", "--config", "none.toml")
    assert (done.status, done.err) == (
        2,
        "user-conversion: Cannot read 'none.toml': No such file or directory.\n",
    )


def test_a_log_format_in_the_project_file(folder: Path) -> None:
    write_log(
        folder / "logs" / "a.json",
        [
            '{"event": "signed up", "at": "2020-11-02T12:00:00Z", "who": {"id": "u1"}}',
            '{"event": "opened", "at": "2020-11-09T12:00:00Z", "who": {"id": "u1"}}',
        ],
    )
    write(
        folder,
        """
        input = "logs"
        output = "published"
        [log_format.events]
        registered = "signed up"
        app_loaded = ["opened"]
        [log_format.fields]
        timestamp = "at"
        initiator_id = "who.id"
        """,
    )
    answer = command("run", "--format", "json").json()
    assert (answer["total_registered"], answer["total_converted"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "time_zone = 'UTC'",
            "user-conversion.toml: unknown key 'time_zone'; did you mean timezone",
        ),
        ("config = 'x'", "user-conversion.toml: unknown key 'config'"),
        ("file = 'x'", "user-conversion.toml: unknown key 'file'"),
        ("as_of = 'x'", "user-conversion.toml: as_of x: give a day such as 2020-01-31."),
        (
            "as_of = 2020-01-01T00:00:00",
            "user-conversion.toml: as_of 2020-01-01 00:00:00: give a day",
        ),
        ("engine = 'ibm'", "user-conversion.toml: engine ibm: choose one of duckdb, spark."),
        ("timezone = ['UTC', 'UTC']", "user-conversion.toml: timezone needs one value."),
        ("timezone = []", "user-conversion.toml: timezone needs one value."),
        ("timezone = {a = 'UTC'}", "user-conversion.toml: timezone cannot be a table."),
        ("input = [['logs']]", "user-conversion.toml: input cannot have lists or tables in it."),
        ("full_refresh = 3", "user-conversion.toml: full_refresh 3: give true or false."),
        ("field = {plan = {a = 'b'}}", "--field plan cannot have lists or tables in it."),
        ("field = ['plan']", "--field plan: expected NAME=VALUE."),
        ("input =", "'user-conversion.toml' is not TOML"),
    ],
)
def test_mistakes_in_the_project_file(folder: Path, text: str, sentence: str) -> None:
    write(folder, text)
    done = command("run")
    assert (done.status, done.out) == (2, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1


LITERALS = """'' 'UTC' 'x' 'a=b' 'segment' 'json' 'é' "\\u0000" true 0 -1 1e999 nan 2020-11-20"""
VALUES = st.recursive(
    st.sampled_from(LITERALS.split()),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]")
        | st.builds("{{{} = {}}}".format, st.sampled_from(["a", "registered"]), inner)
    ),
    max_leaves=4,
)
KEYS = "output timezone as_of by format field max_rejected conf engine log_format registered input"


@pytest.mark.property
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(key=st.sampled_from(KEYS.split()), value=VALUES)
def test_property_any_project_file_ends_in_an_answer_or_one_sentence(
    folder: Path, key: str, value: str
) -> None:
    usual = {"input": "'logs'", "output": "'published'", "max_rejected": "0.5"}
    write(folder, "\n".join(f"{name} = {each}" for name, each in (usual | {key: value}).items()))
    done = command("run")
    assert done.status in {0, 1, 2}
    if done.status:
        assert (done.out, len(done.err.splitlines())) == ("", 1)


def test_paths_behind_the_options_stand_for_the_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the command line, which goes before the variable and the file."""
    write(folder, 'input = "logs"')
    write_log(folder / "other" / "b.json", [registered("2020-11-03T12:00:00Z", 3)])
    for variable in ("", "logs"):
        monkeypatch.setenv("USER_CONVERSION_INPUT", variable)
        done = command("run", "--output", folder / f"out{variable}", "--format", "json", "other")
        assert done.json()["total_registered"] == 1
    both = command(
        "run", "--max-rejected", 1, "--format", "json", "--input", "logs", "--quiet", "other"
    )
    assert both.json()["total_registered"] == 3


@pytest.mark.parametrize("words", [["--input", ""], ["--output", ""], ["--input", "logs", ""]])
def test_an_empty_path_is_not_the_working_folder(folder: Path, words: list[str]) -> None:
    assert_refused(command("run", *words), "write . for the working folder", status=2)


def test_an_empty_part_of_a_variable_is_no_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_CONVERSION_INPUT", "logs:")
    assert_refused(command("run"), "A path is empty", status=2)
