"""The commands: the parameters of a function are its options, its docstring is its help.

What only one command needs is imported in it, so that the help is quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import structs

from user_conversion.commands.option_values import PROJECT_FILE
from user_conversion.jobs.sample import SampleParameters, write_sample
from user_conversion.metric.warehouse.dialects import dialects
from user_conversion.options import (
    Output,
    PathOption,
    PlaceOption,
    Texts,
    Title,
    Whole,
    as_texts,
    option,
    own,
    place,
)
from user_conversion.outputs import WRITERS
from user_conversion.rules.errors import SettingsError, Status
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.rules.printing import printable
from user_conversion.rules.weeks import MONDAY
from user_conversion.settings import Settings

DEFAULTS = Settings()
SAMPLE = SampleParameters()
Config = Annotated[
    PathOption, option("Project file: a TOML file whose keys are the options.", "FILE")
]
# What follows the options is input, too: a shell expands --input logs/* to several words.
InputPath = Annotated[str, own("An input.", "PATH", show=False)]
Open = Annotated[bool, own("Open the page in the browser.")]
Format = Annotated[Literal["table", "json"], option("How to print the result.")]


def _with_inputs(settings: Settings, paths: Sequence[str]) -> Settings:
    """The settings with more inputs; the default is no input then."""
    if not paths:
        return settings
    given = settings.inputs if settings.input is not DEFAULTS.input else ()
    return replace(settings, input=(*paths, *given))


def run(
    *paths: InputPath,
    settings: Settings = DEFAULTS,
    no_report: Annotated[bool, option("Do not write the report at the end.")] = False,
    open: Open = False,  # noqa: A002
    format: Format = "table",  # noqa: A002
    config: Config = PROJECT_FILE,
) -> None:
    """Split the events, compute the conversion, write the report."""
    from user_conversion.jobs.report import open_page
    from user_conversion.jobs.run import run_jobs
    from user_conversion.outputs.terminal import show_outcome
    from user_conversion.places.layout import PAGE
    from user_conversion.places.place import place_at

    settings = _with_inputs(settings, paths)
    done = run_jobs("run", settings, report=not no_report)
    page = "" if no_report else place_at(settings.place).of(PAGE)
    show_outcome(done.record, done.split, format, page)
    if open:
        open_page(page)


def events_split(
    *paths: InputPath,
    settings: Settings = DEFAULTS,
    format: Format = "table",  # noqa: A002
    config: Config = PROJECT_FILE,
) -> None:
    """Raw events to user_registration, app_loaded and rejected_events, by day."""
    from user_conversion.jobs.run import run_jobs
    from user_conversion.outputs import csv_json, terminal

    done = run_jobs(SPLIT, _with_inputs(settings, paths), [SPLIT])
    split = done.split
    assert split
    terminal.show_files(split)
    terminal.show_notes(done.record.notes)
    if format == "json":
        found = {"events": split.total, "read": split.read, "files_read": len(split.files)}
        print(csv_json.json_text(found), end="")
    else:
        terminal.show_events(terminal.console(), split)


def conversion_rate(
    *,
    settings: Settings = DEFAULTS,
    format: Format = "table",  # noqa: A002
    config: Config = PROJECT_FILE,
) -> None:
    """Parquet to user_conversion and weekly_summary; prints the metric.

    The long name of this command is conversion-rate-week-after-registration.
    """
    from user_conversion.jobs.run import run_jobs
    from user_conversion.outputs.terminal import show_outcome

    show_outcome(run_jobs(CONVERSION, settings, [CONVERSION]).record, None, format)


def check(
    *,
    output: Output = DEFAULTS.output,
    max_age: Annotated[
        Whole | None, option("Also find something if the latest event is older.", "DAYS")
    ] = None,
    format: Format = "table",  # noqa: A002
    config: Config = PROJECT_FILE,
) -> Status:
    """Has the rate changed, are the logs late? Reads the last run; exit status 3 if so."""
    from user_conversion.answer.finality import is_late
    from user_conversion.jobs.report import last_record
    from user_conversion.outputs import csv_json, terminal
    from user_conversion.places.place import place_at

    result = last_record(place_at(place(output))).conversion
    late = max_age is not None and is_late(result.latest_day, max_age, datetime.now(UTC))
    if format == "json":
        print(csv_json.check_as_json(result, late), end="")
    else:
        terminal.show_change(terminal.console(), result, late)
    return Status.FOUND if result.change.changed or late else Status.DONE


def report(
    *,
    output: Output = DEFAULTS.output,
    format: Annotated[  # noqa: A002
        str,
        own(
            "A page, a sheet, the JSON object, a chat message, or for other tools.",
            choices=tuple(WRITERS),
        ),
    ] = "html",
    file: Annotated[
        PlaceOption | None,
        own("File to write. [default: report.html in the output, others to stdout]", "FILE"),
    ] = None,
    title: Title = None,
    open: Open = False,  # noqa: A002
    config: Config = PROJECT_FILE,
) -> None:
    """The last conversion as one self-contained HTML file; or csv, json, md."""
    from user_conversion.jobs.report import is_stream, last_record, open_page, write
    from user_conversion.places.layout import PAGE
    from user_conversion.places.place import place_at

    if open and format != "html":
        raise SettingsError("--open shows the page: leave --format out.")
    where = place_at(place(output))
    record = last_record(where)
    record = structs.replace(record, title=title or record.title)
    target = file or (where.of(PAGE) if format == "html" else "")
    write(record, format, target, "--file" if file else "--output")
    if target and not is_stream(target):
        print(printable(target))
    if open:
        open_page(target)


def inspect(
    paths: Annotated[list[str], own("Files, folders, globs or addresses.", "PATH...", name="PATH")],
    /,
    *,
    toml: Annotated[bool, own("Print a log format to edit, for --log-format.")] = False,
    init: Annotated[bool, own(f"Write {PROJECT_FILE}, which a run then needs alone.")] = False,
) -> None:
    """What the logs are: kinds of files, names of events, fields, and the command to run."""
    from user_conversion.inputs.inspection.inspection import inspect as inspected
    from user_conversion.outputs import terminal
    from user_conversion.places.publication import output_errors

    if init and PROJECT_FILE.exists():
        raise SettingsError(f"{PROJECT_FILE} exists: move it away, or edit it; see --toml.")
    found = inspected([place(each) for each in paths])
    if init:
        with output_errors(PROJECT_FILE), PROJECT_FILE.open("x", encoding="utf-8") as file:
            file.write(found.as_project_file())
        print(f"{PROJECT_FILE}: check it, then run: user-conversion run")
    elif toml:
        print(found.as_toml(), end="")
    else:
        terminal.show_inspection(terminal.console(), found)


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
    from user_conversion.metric.warehouse.dbt import dbt_files
    from user_conversion.metric.warehouse.query import warehouse_query

    asked = (dialect, settings.events, settings.counted_as, settings.timezone)
    tables = as_texts("--table", table)
    if settings.week_start != MONDAY:
        raise SettingsError("--week-start: the query has weeks from Monday only.")
    if not dbt:
        print(warehouse_query(*asked, tables, since, settings.by), end="")
    elif since:
        raise SettingsError("--since is a variable of the dbt model: conversion_since.")
    else:
        _write_dbt(dbt, dbt_files(*asked, tables, settings.by))


def _write_dbt(folder: Path, files: Mapping[str, str]) -> None:
    """Write files into a folder, and print their paths. A project file that exists is kept."""
    from user_conversion.metric.warehouse.dbt import PROJECT
    from user_conversion.places.publication import output_errors

    targets = {folder / name: text for name, text in files.items()}
    if (folder / PROJECT).exists():
        del targets[folder / PROJECT]
    for target in targets:
        if target.exists():
            raise SettingsError(f"--dbt: '{target}' exists; remove it to write it again.")
    with output_errors(folder):
        for target, text in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
            print(printable(str(target)))


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
