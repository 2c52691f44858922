"""`check`: alarms on a change, calm otherwise, and what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.command import command
from support.datasets import contents
from support.logs import app_loaded, registered, write_log
from support.repository import ROOT

from user_conversion.answer.change import Change, Comparison, change
from user_conversion.outputs.sentences import against_usual
from user_conversion.rules.weeks import week_label

CHANNELS = {"ad": (0.6, 0.05), "mail": (0.3, 0.11), None: (0.1, 0.07)}
Rows = list[dict[str, Any]]


def log(random: Random, users: int, weeks: int, differ: float = 0.0, last: float = 1) -> Rows:
    """Figures by week and channel: rates that differ between weeks by a share, and a last week."""
    rows = []
    for number in range(weeks):
        factor = max(0.0, random.gauss(1, differ)) * (last if number == weeks - 1 else 1)
        for channel, (share, rate) in CHANNELS.items():
            registered = round(users * share)
            converted = sum(random.random() < rate * factor for _ in range(registered))
            rows.append(row(number, channel, registered, converted))
    return rows


def row(number: int, channel: str | None, registered: int, converted: int) -> dict[str, Any]:
    figures = {"total_registered": registered, "total_converted": converted}
    return {"registration_week": f"2020-{number:02}", "value": channel, "others": False, **figures}


def judge(rows: Rows) -> Change:
    return change(sorted({each["registration_week"] for each in rows}), "channel", rows)


# ---------------------------------------------------------------- a known truth


@pytest.mark.parametrize("users", [300, 3000])
@pytest.mark.parametrize("differ", [0.0, 0.1])
def test_calm_logs_give_few_alarms(users: int, differ: float) -> None:
    random = Random(7)
    number = 200 if users < 1000 else 100
    alarms = sum(judge(log(random, users, 9, differ)).changed for _ in range(number))
    assert alarms / number <= 0.08


def test_a_fall_by_half_is_found() -> None:
    random = Random(8)
    found = [judge(log(random, 3000, 9, last=0.5)) for _ in range(60)]
    assert sum(each.changed for each in found) >= 0.95 * len(found)
    assert {each.reason for each in found} == {"rate_fell"}


# ---------------------------------------------------------------- by hand


def test_the_reasons() -> None:
    weeks = [row(number, None, 1000, 70) for number in range(6)]
    assert judge([]).reason == judge(weeks[:4]).reason == "too_few_weeks"
    assert judge([]).registration_week is None
    assert judge(weeks).reason == "as_usual"
    assert judge([*weeks, row(6, None, 1000, 20)]).reason == "rate_fell"
    assert judge([*weeks, row(6, None, 1000, 140)]).reason == "rate_rose"
    # One channel falls as much as the other rises.
    both = [row(number, name, 1000, 70) for number in range(6) for name in "ab"]
    mixed = judge([*both, row(6, "a", 1000, 20), row(6, "b", 1000, 120)])
    assert (mixed.changed, mixed.reason) == (True, "segments_changed")
    assert [each.changed for each in mixed.segments] == [False, True, True]


def test_small_and_new_segments_are_not_compared() -> None:
    rows = [row(number, "a", 1000, 70) for number in range(7)]
    rows += [row(number, "small", 29, 0) for number in range(7)]
    rows += [row(number, "new", 500, 40) for number in range(3, 7)]
    found = judge(rows)
    assert [(each.by, each.value) for each in found.segments] == [(None, None), ("channel", "a")]
    assert found.segments[0].total_registered == 1529


def test_weeks_that_are_not_complete_are_left_out() -> None:
    rows = [row(number, None, 1000, 70) for number in range(6)]
    unfinished = [*rows, row(6, None, 1000, 0)]
    weeks = sorted({each["registration_week"] for each in rows})
    assert change(weeks, "channel", unfinished) == judge(rows)


# ---------------------------------------------------------------- the command


def weekly_log(path: Path, *conversions: int) -> Path:
    """100 users a week from 2 November 2020, so many of whom convert."""
    lines, monday = [], date(2020, 11, 2)
    for number, converted in enumerate(conversions):
        day = monday + timedelta(weeks=number)
        for user in range(100):
            name = number * 100 + user
            lines.append(registered(f"{day + timedelta(days=user % 7)}T12:00:00Z", name, "ad"))
            if user < converted:
                after = day + timedelta(days=7 + user % 7)
                lines.append(app_loaded(f"{after}T12:00:00Z", name))
    # Others load the app each day, so that no day looks as if its logs were missing.
    days = 7 * (len(conversions) + 1)
    others = [f"{monday + timedelta(days=n)}T13:00:00Z" for n in range(days)] * 9
    return write_log(path, [*lines, *(app_loaded(time, 99_999) for time in others)])


@pytest.mark.parametrize(
    ("last", "status", "reason"), [(30, 0, "as_usual"), (5, 3, "rate_fell"), (70, 3, "rate_rose")]
)
def test_the_exit_status(tmp_path: Path, output: Path, last: int, status: int, reason: str) -> None:
    """`check` answers from the record alone: it changes nothing and keeps the run's options."""
    log = weekly_log(tmp_path / "log.json", 30, 31, 29, 30, 28, 32, last)
    options = ["--as-of", "2020-12-27", "--timezone", "Europe/Berlin"]
    assert command("run", "--input", log, "--output", output, *options).status == 0
    log.unlink()
    published = contents(output)
    done = command("check", "--output", output)
    assert (done.status, done.err) == (status, "")
    week = week_label(date(2020, 12, 14))
    (sentence,) = [line for line in done.out.splitlines() if line.startswith(f"Week {week}:")]
    assert f"{last}.00 % of new users first came back in the week after" in sentence
    assert ("as usual" in sentence) == (status == 0)
    found = command("check", "--output", output, "--format", "json")
    assert found.status == status
    document = json.loads(found.out)
    assert (document["changed"], document["reason"]) == (status == 3, reason)
    assert document["registration_week"] == week
    assert (document["definition"], document["timezone"]) == ("next-week", "Europe/Berlin")
    assert contents(output) == published


def test_nothing_to_compare(tmp_path: Path, output: Path) -> None:
    log = weekly_log(tmp_path / "log.json", 30, 30)
    assert command("run", "--input", log, "--output", output).status == 0
    done = command("check", "--output", output)
    assert done.status == 0
    assert "Nothing to compare yet" in done.out


@pytest.mark.parametrize("is_of_earlier_version", [False, True])
def test_late_logs(tmp_path: Path, output: Path, is_of_earlier_version: bool) -> None:
    """The latest event is of 2020-11-22, thousands of days ago; once, run.json did not say it."""
    log = weekly_log(tmp_path / "log.json", 30, 30)
    assert command("run", "--input", log, "--output", output).status == 0
    if is_of_earlier_version:
        record = json.loads((output / "run.json").read_text())
        del record["jobs"]["conversion-rate-week-after-registration"]["result"]["latest_day"]
        (output / "run.json").write_text(json.dumps(record))
    ago = (datetime.now(UTC).date() - date(2020, 11, 22)).days
    for age, status in ((ago + 1, 0), (1, 3)):
        done = command("check", "--output", output, "--max-age", age, "--format", "json")
        assert (done.status, json.loads(done.out)["late"]) == (status, status == 3)
    assert "The logs are late" in command("check", "--output", output, "--max-age", 1).out


def test_as_of_makes_logs_neither_late_nor_timely(tmp_path: Path, output: Path) -> None:
    """It says which events are used; whether logs come is another question."""
    today = datetime.now(UTC).date()
    fresh = [registered(f"{today}T00:00:00Z", 1), registered("2020-11-02T12:00:00Z", 2)]
    for lines, as_of, status in (
        (fresh[1:], today, 3),
        (fresh, today, 0),
        (fresh, date(2020, 11, 2), 0),
    ):
        log = write_log(tmp_path / "log.json", [*lines, app_loaded("2020-11-03T12:00:00Z", 2)])
        options = ["--input", log, "--output", output, "--as-of", as_of, "--full-refresh"]
        assert command("run", *options).status == 0
        done = command("check", "--output", output, "--max-age", 2)
        assert done.status == status, as_of
        assert ("The logs are late" in done.out) == (status == 3)
        assert (
            f'"latest_day": "{today if status == 0 else date(2020, 11, 3)}"'
            in command("check", "--output", output, "--format", "json").out
        )


def test_a_day_that_was_asked_for_is_no_event(tmp_path: Path, output: Path) -> None:
    log = write_log(tmp_path / "log.json", [])
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    options = ["--input", log, "--output", output, "--as-of", yesterday]
    assert command("run", *options).status == 0
    done = command("check", "--output", output, "--max-age", 2, "--format", "json")
    assert (done.status, json.loads(done.out)["latest_day"]) == (3, None)


@pytest.mark.parametrize("rate", [0, 3, 8, 10, 12, 17, 40])
@pytest.mark.parametrize("changed", [False, True])
def test_a_sentence_does_not_contradict_its_figures(rate: int, changed: bool) -> None:
    """With several comparisons a rate outside of its usual interval may be chance."""
    usual, given = (8.0, 16.0), (None, None, 100, rate, float(rate))
    comparison = Comparison(*given, usual, 0.01, changed=changed)
    sentence = against_usual(comparison)
    assert ("as usual" in sentence) == (8 <= rate <= 16 and not changed)
    assert ("than usual" in sentence) == changed
    assert ("chance" in sentence) == (not changed and not 8 <= rate <= 16)
    assert ("edge" in sentence) == (changed and 8 <= rate <= 16)


def test_no_run_to_check(output: Path) -> None:
    done = command("check", "--output", output)
    assert (done.status, done.out) == (1, "")
    assert "run user-conversion run first" in done.err
    assert not output.exists()


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="no jq or curl")
def test_a_chat_is_told_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "schedule.md").read_text("utf-8")
    (script,) = re.findall(r"```sh\n(.*?\$SLACK_WEBHOOK.*?)```", page, re.DOTALL)
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T12:00:00Z", 1)] * 2)
    assert command("run", "--input", log, "--output", tmp_path / "data-output").status == 0
    told: list[Any] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ours = f'user-conversion() {{ "{sys.executable}" -m user_conversion "$@"; }}\n'
        url = f"http://127.0.0.1:{server.server_port}/"
        done = subprocess.run(
            ["bash", "-c", ours + script],
            cwd=tmp_path,
            env=os.environ | {"SLACK_WEBHOOK": url, "no_proxy": "127.0.0.1"},
            capture_output=True,
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    (message,) = told
    assert message.keys() == {"text"}
    assert "The logs are late: the latest event is of 2020-11-02." in message["text"]
