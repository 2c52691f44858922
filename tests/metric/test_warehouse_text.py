"""The text of `user-conversion sql`: golden files that a parser accepts, and sentences.

`python tests/metric/test_warehouse_text.py` writes the golden files anew.
"""

from __future__ import annotations

from datetime import date

import pytest
from support.command import command
from support.repository import GOLDEN

from user_conversion.metric.warehouse.dialects import dialect, dialects
from user_conversion.metric.warehouse.query import warehouse_query
from user_conversion.rules.definitions import definition
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.presets import log_format

QUERIES = GOLDEN / "sql"
SEGMENT = log_format("segment", "Signed Up", "Application Opened", {"plan": "properties.plan"})
JSON = log_format(None, fields={"initiator_id": "payload.user.id", "channel": "payload.source"})


def queries() -> dict[str, str]:
    """The query of each dialect, and the layouts of analytics tools where they are usual."""
    week, berlin = definition("next-week"), "Europe/Berlin"
    found = {
        name: warehouse_query(
            name, JSON, week, berlin if dialect(name).day else "UTC", by="channel"
        )
        for name in dialects()
    }
    ga4 = log_format("ga4", fields={"plan": "event_params.plan"})
    for name in ("bigquery", "snowflake", "redshift"):
        found[f"{name}-segment"] = warehouse_query(
            name, SEGMENT, definition("any-load-next-week"), berlin, (), date(2024, 12, 30), "plan"
        )
    found["bigquery-ga4"] = warehouse_query(
        "bigquery",
        ga4,
        definition("same-week"),
        berlin,
        ["my-project.analytics_123456.events_*"],
        date(2024, 12, 30),
        "plan",
    )
    found["snowflake-snowplow"] = warehouse_query(
        "snowflake", log_format("snowplow", "sign_up", "app_open"), week
    )
    return found


def test_every_query_is_as_it_was() -> None:
    assert queries() == {file.stem: file.read_text("utf-8") for file in QUERIES.glob("*.sql")}


@pytest.mark.parametrize("name", queries())
def test_a_parser_of_the_dialect_accepts_the_query(name: str) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    known = {"mariadb": "mysql"}
    own = name.partition("-")[0]
    (parsed,) = sqlglot.parse(queries()[name], read=known.get(own, own))
    assert {"registrations", "weeks"} <= {each.alias for each in parsed.ctes}


def test_no_semicolon_cuts_the_query_for_clients_that_split_at_it() -> None:
    assert not [name for name, text in queries().items() if ";" in text]


def test_what_was_not_run_is_marked_in_the_first_line() -> None:
    for name, text in queries().items():
        run = name.partition("-")[0] in {
            *("duckdb", "sqlite", "clickhouse", "postgres", "mariadb", "spark")
        }
        assert ("not run here" in text.splitlines()[0]) == (not run)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dialect", "oracle"], "--dialect oracle: choose one of athena, bigquery"),
        ([], "--dialect needs a value."),
        (["--dialect", "sqlite", "--timezone", "Asia/Tokyo"], "SQLite has no time zones"),
        (["--dialect", "mysql", "--table", "a", "--table", "b"], "--table registered=NAME"),
        (["--dialect", "mysql", "--table", "registered=a"], "--table registered=NAME"),
        (["--dialect", "duckdb", "--table", "app=x", "--table", "y"], "--table registered=NAME"),
        (["--dialect", "trino", "--field", "timestamp=a.b"], "must be a column of its own"),
        (
            ["--dialect", "redshift", "--by", "plan", "--field", "plan=a[0].b"],
            "Amazon Redshift cannot read the path [0].b of a JSON column",
        ),
        (
            ["--dialect", "duckdb", "--by", "plan", "--field", "plan=a[k=plan].b"],
            "DuckDB cannot read the path [k=plan].b of a JSON column",
        ),
        (
            ["--dialect", "duckdb", "--by", "channel", "--field", "channel=folder:channel"],
            "folder:channel: a warehouse has no folders; name a column instead.",
        ),
        (["--dialect", "duckdb", "--by", "device_type"], "--by device_type: the query splits by"),
        (["--dialect", "duckdb", "--registered", "a\tb"], "has a control character"),
        (["--dialect", "duckdb", "--timezone", "Mars"], "Unknown time zone 'Mars'"),
        (["--dialect", "duckdb", "--dbt", ".", "--since", "2020-01-01"], "conversion_since"),
        (["--dialect", "duckdb", "--dbt", ".", "--registered", "{{ x }}"], "A dbt model cannot"),
    ],
)
def test_what_cannot_be_written_is_one_sentence(words: list[str], said: str) -> None:
    done = command("sql", *words)
    assert done.status == 2
    assert said in done.err
    assert done.out == ""
    assert len(done.err.splitlines()) == 1


def test_a_parameter_is_written_as_in_files() -> None:
    """The path of `run` and the short one of the warehouse give the same query."""
    week, paths = definition("next-week"), ("event_params.plan", "event_params[key=plan].value.x")
    forms = [log_format("ga4", fields={"plan": path}) for path in paths]
    first, second = (warehouse_query("bigquery", form, week, by="plan") for form in forms)
    assert first == second


def test_a_pattern_with_marks_of_like_is_refused() -> None:
    form = log_format({"exclude": {"email": "*@our_shop.com"}})
    with pytest.raises(SettingsError, match=r"cannot compare with '\*@our_shop\.com'"):
        warehouse_query("duckdb", form, definition("next-week"))


def test_a_preset_of_files_in_another_zone_is_refused() -> None:
    form = log_format({"input": {"timezone": "US/Pacific"}})
    with pytest.raises(SettingsError, match="US/Pacific"):
        warehouse_query("duckdb", form, definition("next-week"))


if __name__ == "__main__":
    QUERIES.mkdir(parents=True, exist_ok=True)
    for old in QUERIES.glob("*.sql"):
        old.unlink()
    for stem, query in queries().items():
        (QUERIES / f"{stem}.sql").write_text(query, "utf-8")
