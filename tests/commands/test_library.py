"""docs/how-to/notebook-and-library.md: its examples run and print what it shows."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import ibis
import pandas
import polars
import pytest
from ibis import ir
from support.logs import WORKED_EXAMPLE, write_log
from support.repository import ROOT

import user_conversion
from user_conversion.rules.errors import SettingsError

DOCUMENT = (ROOT / "docs" / "how-to" / "notebook-and-library.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", DOCUMENT, re.DOTALL)


def test_every_example_says_what_it_prints() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```python") == 2


@pytest.mark.parametrize(("code", "printed"), EXAMPLES, ids=["run", "metric"])
def test_the_examples(
    code: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data-input").symlink_to(ROOT / "data-input")
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "docs/how-to/notebook-and-library.md", "exec"), {})
    assert out.getvalue() == printed


def test_every_function_of_the_library_is_there_and_documented() -> None:
    for name in user_conversion.__all__:
        found = getattr(user_conversion, name)
        assert isinstance(found, str) or found.__doc__, name
    assert not hasattr(user_conversion, "no_such_function")


# ---------------------------------------------------------------- tables of one's own

SIGNUPS = {"initiator_id": "int64", "time": "timestamp", "campaign": "string"}
OPENS = {"initiator_id": "int64", "time": "timestamp", "device_type": "string"}
CALENDAR = {"utc_day": "date", "registration_week": "string", "week_number": "int64"} | (
    dict.fromkeys(("starts_at", "ends_at", "next_week_ends_at"), "timestamp")
)


def metric(definition: str) -> ir.Table:
    """Registered users by campaign, from tables that have only the columns the metric names."""
    signups, opens = ibis.table(SIGNUPS, name="signups"), ibis.table(OPENS, name="opens")
    calendar, campaign = ibis.table(CALENDAR, name="calendar"), ("campaign",)
    registrations = user_conversion.earliest_registrations(signups, calendar, campaign)
    users = user_conversion.registered_users(registrations, opens, calendar, campaign)
    return user_conversion.user_conversion(users, definition, campaign)


# The worked example of the brief, and who converted under each reading of it, by hand.
@pytest.mark.parametrize(
    ("definition", "converted"),
    [
        *(("next-week", [2]), ("same-week", [1]), ("any-load-next-week", [2])),
        ("within-7-days", [1]),
    ],
)
def test_who_converted_on_a_warehouse(definition: str, converted: list[int]) -> None:
    with duckdb.connect() as warehouse:
        for name, columns in (("signups", SIGNUPS), ("opens", OPENS), ("calendar", CALENDAR)):
            typed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            warehouse.execute(f"CREATE TABLE {name} ({typed})")
        warehouse.execute(
            "INSERT INTO signups VALUES (1, '2020-11-02 06:21:14', 'newsletter'),"
            "(2, '2020-11-02 07:00:14', NULL), (3, '2020-11-03 07:00:14', 'newsletter')"
        )
        warehouse.execute(
            "INSERT INTO opens VALUES (1, '2020-11-03 06:24:42', 'mobile'),"
            "(2, '2020-11-11 10:13:42', 'mobile'), (2, '2020-11-12 11:08:42', 'mobile'),"
            "(3, '2020-11-17 11:08:42', 'mobile')"
        )
        first, last = datetime(2020, 11, 2, tzinfo=UTC), datetime(2020, 11, 17, tzinfo=UTC)
        warehouse.executemany(
            "INSERT INTO calendar VALUES (?, ?, ?, ?, ?, ?)",
            user_conversion.calendar_rows(first, last, ZoneInfo("UTC")),
        )
        expression = metric(definition).select("initiator_id", "campaign", "converted")
        rows = warehouse.execute(ibis.to_sql(expression, dialect="duckdb")).fetchall()
    assert sorted((user, campaign) for user, campaign, _ in rows) == [
        (1, "newsletter"),
        (2, None),
        (3, "newsletter"),
    ]
    assert sorted(user for user, _, yes in rows if yes) == converted


# ---------------------------------------------------------------- the answer


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> user_conversion.Answer:
    folder = tmp_path_factory.mktemp("answer")
    log = write_log(folder / "log.json", WORKED_EXAMPLE)
    return user_conversion.run(log, folder / "output")


def test_tables_are_read_by_polars_pandas_and_duckdb(answer: user_conversion.Answer) -> None:
    week = ("2020-45", date(2020, 11, 2), 3, 1, 33.33)
    for _ in range(2):
        assert polars.DataFrame(answer.weeks).rows()[0][:5] == week
    weeks, users = answer.weeks, answer.users()  # noqa: F841 - DuckDB reads variables
    assert duckdb.sql("FROM weeks").fetchall()[0][:5] == week
    found = pandas.DataFrame.from_arrow(users).set_index("initiator_id")
    assert found["converted"].to_dict() == {1: False, 2: True, 3: False}
    assert found["registration_week"].to_list() == ["2020-45"] * 3
    assert duckdb.sql("SELECT initiator_id FROM users WHERE converted").fetchall() == [(2,)]
    assert users.columns == polars.DataFrame(users).columns


def test_times_of_users_are_in_utc_wherever_it_runs(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", WORKED_EXAMPLE)
    script = (
        "import polars, sys, user_conversion\n"
        "users = polars.DataFrame(user_conversion.run(*sys.argv[1:]).users())\n"
        "print(users['registered_at'].dtype.time_zone, users['registered_at'].min())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(log), str(tmp_path / "out")],
        env=os.environ | {"TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "UTC 2020-11-02 06:21:14+00:00\n", done.stderr


def test_an_answer_shows_itself(answer: user_conversion.Answer) -> None:
    assert "33.33 % of new users" in repr(answer)
    assert len(repr(answer)) < 250
    assert "2020-45" in answer._repr_html_()
    assert "<html" not in answer._repr_html_()
    assert answer.page().startswith("<!DOCTYPE html>")
    assert (answer.total_registered, answer.total_converted) == (3, 1)
    assert answer.as_json()["weeks"][0]["registration_week"] == "2020-45"


def test_no_users_are_a_table_without_rows(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.json", WORKED_EXAMPLE[-1:])
    empty = user_conversion.run(log, tmp_path / "output")
    assert polars.DataFrame(empty.users()).shape == (0, 11)
    assert polars.DataFrame(empty.weeks).height == 0


@pytest.mark.parametrize(
    "options",
    [
        *({"timezone": 5}, {"max_rejected": "0.1"}, {"by": ["channel"]}, {"as_of": "2020-01-31"}),
        *({"as_of": datetime(2020, 1, 31)}, {"input": [7]}, {"field": 3}, {"full_refresh": "yes"}),
        *({"registered": {"a": 1}}, {"log_format": 7}, {"conf": [None]}, {"max_rejected": True}),
    ],
)
def test_a_value_of_the_wrong_type_is_named(tmp_path: Path, options: dict[str, Any]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(SettingsError, match=re.escape(f"{name}={value!r} has the wrong type.")):
        user_conversion.run(**{"input": tmp_path, "output": tmp_path / "out"} | options)
    assert not (tmp_path / "out").exists()


def test_the_public_names_are_listed() -> None:
    assert dir(user_conversion) == sorted(user_conversion.__all__)
