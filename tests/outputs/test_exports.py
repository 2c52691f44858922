"""CSV, JSON and Markdown, and where `render` and `write` end with an error."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb
import msgspec
import pytest
from support.command import command, command_line
from support.logs import WORKED_EXAMPLE, app_loaded, registered, write_log
from support.outputs import page_on, rendered, run
from support.repository import SAMPLE

from user_conversion import outputs
from user_conversion.answer.results import ConversionResult
from user_conversion.jobs.report import last_record, write
from user_conversion.outputs import words
from user_conversion.places.place import Folder
from user_conversion.rules.errors import OutputError


def test_csv_has_a_line_for_each_week(output: Path) -> None:
    document = json.loads(
        command(*("run", "--input", SAMPLE, "--output", output, "--format", "json")).out
    )
    lines = list(csv.DictReader(rendered(output, "csv").splitlines()))
    assert lines[0] == {
        "registration_week": "2020-W01",
        "week_start": "2019-12-30",
        "total_registered": "863",
        "total_converted": "59",
        "conversion_rate": "6.84",
        "interval_low": "5.34",
        "interval_high": "8.72",
        "complete": "true",
        "incomplete_because": "",
        "small_sample": "false",
        "forecast_rate": "",
        "forecast_low": "",
        "forecast_high": "",
    }
    assert [line["registration_week"].replace("W", "") for line in lines] == [
        week["registration_week"] for week in document["weeks"]
    ]


def test_json_report_equals_the_json_of_the_run(output: Path) -> None:
    printed = run(output, WORKED_EXAMPLE, "--by", "channel", "--format", "json").out
    assert rendered(output, "json") == printed


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--by", "channel", "--timezone", "Asia/Tokyo"],
        ["--as-of", "2020-01-20", "--definition", "any-load-next-week"],
    ],
)
def test_result_is_consistent_with_its_json(tmp_path: Path, options: list[str]) -> None:
    output = tmp_path / "output"
    document = command(
        *("run", "--input", SAMPLE, "--output", output, "--format", "json", *options)
    ).json()
    again = msgspec.convert(document, ConversionResult, str_keys=True).as_json()
    assert json.loads(json.dumps(again)) == document
    assert len(document["daily"]) == (20 if "--as-of" in options else 31)


def test_markdown_has_the_headline_and_a_table_of_weeks(output: Path) -> None:
    run(output, WORKED_EXAMPLE)
    assert rendered(output, "md") == (
        "**Weekly user conversion: 33.33 % (95 % interval 6.15–79.23 %)**\n\n"
        "Complete weeks: 1 of 3 users. All registrations: 33.33 %, 1 of 3 users.  \n"
        "Definition `next-week`, weeks in UTC, observed through 2020-11-16.\n\n"
        "| Week | Starts | Registered | Converted | Rate | 95 % interval | |\n"
        "|---|---|--:|--:|--:|--:|---|\n"
        "| 2020-45 | 2020-11-02 | 3 | 1 | 33.33 % | 6.15–79.23 | small sample |\n"
    )


def test_markdown_pools_weeks_before_the_latest_twelve(output: Path) -> None:
    monday = date(2020, 1, 6)
    weeks = [registered(f"{monday + timedelta(weeks=n)}T12:00:00Z", n) for n in range(15)]
    run(output, [*weeks, app_loaded("2020-01-15T12:00:00Z", 0)])
    message = rendered(output, "md")
    assert message.count("\n| 2020-") == 12
    assert "3 earlier weeks: 33.33 %, 1 of 3 users." in message


def test_write_makes_one_file_or_prints(
    output: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(output, WORKED_EXAMPLE)
    record = last_record(Folder(output))
    write(record, "html", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (output / "report.html").read_bytes()
    write(record, "csv", tmp_path / "weeks.csv")
    assert capfd.readouterr().out == ""
    write(record, "csv")
    assert capfd.readouterr().out == (tmp_path / "weeks.csv").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("events.json", "output", "page.html", "weeks.csv")
    }


def test_failed_write_leaves_the_former_file_and_no_other(
    output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(output, WORKED_EXAMPLE)
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "weeks.csv").write_text("former")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="No space left"):
        write(last_record(Folder(output)), "csv", folder / "weeks.csv")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("weeks.csv", "former")]


def test_an_open_stream_is_not_replaced(output: Path, tmp_path: Path) -> None:
    """Not even if it is a regular file, to which a shell has redirected it."""
    run(output, WORKED_EXAMPLE)
    file = tmp_path / "weeks.csv"
    options = ["report", "--output", output, "--format", "csv", "--file", "/dev/stdout"]
    with file.open("w") as stream:
        print("before", file=stream, flush=True)
        subprocess.run(command_line(*options), stdout=stream, check=True)
    assert file.read_text().startswith("before\nregistration_week,")


@pytest.mark.parametrize("format_", outputs.WRITERS)
def test_record_without_weeks_is_rendered_in_every_format(output: Path, format_: str) -> None:
    run(output, [app_loaded("2020-11-03T06:24:42Z", 1)])
    text = rendered(output, format_)
    if format_ == "csv":
        assert text == ",".join(outputs.csv_json.WEEK_COLUMNS) + "\n"
    elif format_ == "json":
        assert json.loads(text)["weeks"] == []
    elif format_ == "openlineage":
        assert len(json.loads(text)["outputs"]) == 5
    elif format_ == "prometheus":
        assert "user_conversion_rate" not in text
        assert 'user_conversion_lines{outcome="app_loaded"} 1' in text
    else:
        assert "No registrations found" in text


RENDERED = """
import sys
from pathlib import Path
from user_conversion import outputs
from user_conversion.outputs import terminal
from user_conversion.jobs.report import last_record, write
from user_conversion.places.place import Folder
record = last_record(Folder(Path(sys.argv[1])))
terminal.show_conversion(terminal.console(), record.conversion)
for format in outputs.WRITERS:
    write(record, format, Path(sys.argv[1], format))
print("loaded", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_rendering_needs_run_json_only_and_imports_no_engine(output: Path, tmp_path: Path) -> None:
    run(output, WORKED_EXAMPLE)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "run.json").write_bytes((output / "run.json").read_bytes())
    command_line = [sys.executable, "-c", RENDERED, str(alone)]
    done = subprocess.run(command_line, capture_output=True, text=True, check=True)
    for format_ in outputs.WRITERS:
        assert (alone / format_).read_text("utf-8") == rendered(output, format_)
    assert "33.33 % (1 of 3 users)" in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"duckdb", "pyspark", "pyarrow", "ibis", "pandas"} & {*loaded}


# Users without a channel, with the text "(none)" and with an empty text; the second converted.
THREE_SEGMENTS = [
    registered("2020-11-02T06:21:14Z", 1),
    registered("2020-11-02T06:21:14Z", 2, "(none)"),
    registered("2020-11-02T06:21:14Z", 3, ""),
    app_loaded("2020-11-10T06:00:00Z", 2),
    app_loaded("2020-11-17T00:00:00Z", 9),
]


def test_missing_empty_and_none_like_segments_differ_in_every_output(output: Path) -> None:
    shown = run(output, THREE_SEGMENTS, "--by", "channel").out
    converted = {"(no channel)": 0, '"(none)"': 1, '""': 0}
    for name, number in converted.items():
        (row,) = (line for line in shown.splitlines() if line.startswith(f"{name} "))
        assert row.removeprefix(name).split()[:2] == ["1", str(number)]
    page = page_on(output).table("Conversion by channel over complete weeks")
    assert {name.removesuffix("small sample"): row[:2] for name, row in page.items()} == {
        **{name: ["1", str(number)] for name, number in converted.items()},
        "All users": ["3", "1"],
    }
    segments = json.loads(rendered(output, "json"))["segments"]
    values = {each["value"]: each["total_converted"] for each in segments}
    assert values == {None: 0, "(none)": 1, "": 0}
    message = rendered(output, "md")
    for name, number in converted.items():
        assert f"\n| `{name}` | 1 | {number} | " in message


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[here](https://example.org)", "`[here](https://example.org)`"),
        ("a|b", r"`a\|b`"),
        ("`code`", "`` `code` ``"),
        ("x" * 41, f"`{'x' * 39}…`"),
        ("<b>@all</b>", "`<b>@all</b>`"),
    ],
)
def test_markup_in_names_has_no_effect_in_markdown(output: Path, name: str, shown: str) -> None:
    lines = [registered("2020-11-02T06:21:14Z", 1, name), app_loaded("2020-11-17T06:00:00Z", 1)]
    run(output, lines, "--by", "channel")
    assert f"\n| {shown} | 1 | 0 | 0.00 % | " in rendered(output, "md")


def test_segments_after_the_largest_fifty_are_one_row_in_every_output(output: Path) -> None:
    channels = [f"c{size:02}" for size in range(1, 54) for _ in range(size)]
    # Registrations and loads on every day, so that no days are missing.
    lines = [
        registered(f"2020-11-{2 + user % 7:02}T06:00:00Z", user, channel)
        for user, channel in enumerate(channels)
    ]
    lines += [app_loaded(f"2020-11-{day:02}T06:00:00Z", 9999) for day in range(2, 18)]
    # The three smallest have 1 + 2 + 3 users; one of them converts.
    lines += [app_loaded("2020-11-10T06:00:00Z", 0)]
    printed = run(output, lines, "--by", "channel").out
    segments = last_record(Folder(output)).conversion.segments
    assert len(segments) == 51
    assert [each.value for each in segments[:2]] == ["c53", "c52"]
    assert (segments[-1].value, segments[-1].others) == ("other segments", True)
    assert (segments[-1].total_registered, segments[-1].total_converted) == (6, 1)
    assert len(re.findall(r"^c\d\d ", printed, re.MULTILINE)) == 50
    (row,) = (line for line in printed.splitlines() if line.startswith("other segments"))
    assert row.split()[2:4] == ["6", "1"]
    assert "\n| other segments | 6 | 1 | 16.67 % | " in rendered(output, "md")
    table = page_on(output).table("Conversion by channel over complete weeks")
    assert table["other segmentssmall sample"][:2] == ["6", "1"]
    assert len(table) == 52


def test_segments_beyond_the_largest_thousand(output: Path) -> None:
    """Of all weeks together. They are other segments, not users without a value."""
    channels = ["ads"] * 30 + ["tv"] * 30 + [f"rare{number}" for number in range(10)]
    lines = [
        registered(f"2020-11-{2 + user % 7:02}T06:00:00Z", user, channel)
        for user, channel in enumerate(channels)
    ]
    codes = [f"code{user // 2}" for user in range(3000)]  # of a week that is unfinished
    lines += [
        registered("2020-11-17T06:00:00Z", 100 + user, code) for user, code in enumerate(codes)
    ]
    lines += [app_loaded(f"2020-11-{day:02}T06:00:00Z", 9999) for day in range(2, 18)] * 9
    run(output, lines, "--by", "channel")
    segments = last_record(Folder(output)).conversion.segments
    assert [(each.value, each.total_registered) for each in segments] == [
        ("ads", 30),
        ("tv", 30),
        ("other segments", 10),
    ]


def test_the_split_alone_changes_its_rows_but_not_when_figures_were_made(
    tmp_path: Path, output: Path
) -> None:
    run(output, WORKED_EXAMPLE)
    before = rendered(output, "prometheus")
    record = last_record(Folder(output))
    more = write_log(tmp_path / "more.json", [registered("2020-11-04T06:00:00Z", 9)])
    time.sleep(1.1)
    assert command("events-split", "--input", more, "--output", output).status == 0
    assert last_record(Folder(output)).run_at > record.run_at
    # But for how long that run took.
    assert rendered(output, "prometheus").splitlines() == before.splitlines()[:-3]
    event = json.loads(rendered(output, "openlineage"))
    rows = {
        Path(each["name"]).name: each["outputFacets"]["outputStatistics"]["rowCount"]
        for each in event["outputs"]
    }
    assert rows == {"user_registration": 4, "app_loaded": 4, "rejected_events": 0}
    assert rendered(output, "html").count(words.moment(record.run_at)) == 2


def test_openlineage_has_the_datasets_with_their_rows_and_columns(output: Path) -> None:
    run(output, [*WORKED_EXAMPLE, "{}", ""], "--max-rejected", "1", "--field", "plan=plan")
    event = json.loads(rendered(output, "openlineage"))
    assert rendered(output, "openlineage") == json.dumps(event, indent=2) + "\n"
    # What the schema of a RunEvent requires.
    assert event.keys() >= {"eventTime", "producer", "schemaURL", "run", "job"}
    assert datetime.fromisoformat(event["eventTime"]).tzinfo
    assert str(UUID(event["run"]["runId"])) == event["run"]["runId"]
    assert event["job"] == {"namespace": "user-conversion", "name": "run"}
    every = [*event["inputs"], *event["outputs"]]
    assert all(each["namespace"] == "file" for each in every)
    assert all(Path(each["name"]).exists() for each in every)
    assert len(event["inputs"]) == 1
    folders = {Path(each["name"]).name: each for each in event["outputs"]}
    for name, rows in (
        ("user_registration", 3),
        ("app_loaded", 4),
        ("rejected_events", 1),
        ("user_conversion", 3),
        ("weekly_summary", 1),
    ):
        found = folders.pop(name)
        statistics = found["outputFacets"]["outputStatistics"]
        files = found["name"] + "/**/*.parquet"
        (read,) = duckdb.sql(f"SELECT count(*) FROM read_parquet('{files}')").fetchall()
        assert statistics["rowCount"] == rows == read[0]
        columns = [each["name"] for each in found["facets"]["schema"]["fields"]]
        relation = duckdb.sql(f"FROM read_parquet('{files}', hive_partitioning = false)")
        assert columns == relation.columns
        for facet in (statistics, found["facets"]["schema"]):
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/1-0-0/")
            assert facet["_producer"] == event["producer"]
    assert not folders


def test_prometheus_has_the_figures(output: Path) -> None:
    run(output, [*WORKED_EXAMPLE, "{}", ""], "--max-rejected", "1", "--timezone", "Europe/Berlin")
    lines = rendered(output, "prometheus").splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    named = '{definition="next-week",zone="Europe/Berlin"}'
    assert found[f"user_conversion_rate{named}"] == "0.3333"
    assert found[f"user_conversion_registered_users{named}"] == "3"
    assert found['user_conversion_newest_week_rate{week="2020-45"}'] == "0.3333"
    assert found['user_conversion_lines{outcome="registered"}'] == "3"
    assert found['user_conversion_lines{outcome="rejected"}'] == "1"
    assert found["user_conversion_changed"] == "0"
    day = datetime.fromtimestamp(float(found["user_conversion_observed_through_seconds"]), UTC)
    assert day == datetime(2020, 11, 16, tzinfo=UTC)
    age = time.time() - float(found["user_conversion_run_at_seconds"])
    assert 0 <= age < 600
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len({*types}) == len([each for each in lines if "# HELP" in each])
