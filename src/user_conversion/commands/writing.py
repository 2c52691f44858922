"""The commands that write texts: sql, sample."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from user_conversion.commands.option_values import PROJECT_FILE
from user_conversion.commands.shared import DEFAULTS, Config
from user_conversion.jobs.sample import SampleParameters, write_sample
from user_conversion.metric.warehouse.dialects import dialects
from user_conversion.options import (
    PathOption,
    Texts,
    as_texts,
    option,
    own,
)
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.printing import printable
from user_conversion.rules.weeks import MONDAY
from user_conversion.settings import Settings

SAMPLE = SampleParameters()
# The options of a run that `sql` has.
FOR_SQL = (
    *("log_format", "registered", "app_loaded", "field"),
    *("definition", "timezone", "week_start", "by"),
)


def sql(
    *,
    settings: Settings = DEFAULTS,
    dialect: Annotated[str, option("The warehouse's SQL.", choices=dialects())],
    table: Annotated[
        Texts,
        option(
            "Table of the events, or registered=NAME and app_loaded=NAME; repeatable. "
            "[default: the log format's, else events]",
            "NAME",
        ),
    ] = (),
    since: Annotated[
        date | None, own("Only weeks that begin on this day or later.", "DATE")
    ] = None,
    dbt: Annotated[
        PathOption | None, own("Write a dbt model into this folder instead.", "DIR")
    ] = None,
    config: Config = PROJECT_FILE,
) -> None:
    """Print the metric as one SQL query for a warehouse."""
    from user_conversion.jobs.dbt_project import write_dbt
    from user_conversion.metric.warehouse.dbt import dbt_files
    from user_conversion.metric.warehouse.query import warehouse_query

    asked = (dialect, settings.events, settings.counted_as, settings.timezone)
    tables = as_texts("--table", table)
    if settings.week_start != MONDAY:
        raise SettingsError("--week-start: the query has weeks from Monday only.")
    if dbt:
        if since:
            raise SettingsError("--since is a variable of the dbt model: conversion_since.")
        for file in write_dbt(dbt, dbt_files(*asked, tables, settings.by)):
            print(printable(str(file)))
    else:
        print(warehouse_query(*asked, tables, since, settings.by), end="")


def sample(
    *,
    parameters: SampleParameters = SAMPLE,
    output: Annotated[PathOption, own("The file to write.", "FILE")] = Path(
        "data-input/dataset.json"
    ),
) -> None:
    """Write a synthetic, reproducible event log."""
    from user_conversion.places.publication import output_errors

    with output_errors(output):
        registered, app_loaded = write_sample(output, parameters)
    print(
        f"{printable(str(output))}: {registered:,} registered and {app_loaded:,} app_loaded events"
    )
