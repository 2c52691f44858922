"""The commands: settings in, results printed. The work is done elsewhere."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from user_conversion.options import command, option
from user_conversion.outputs import WRITERS
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.settings import Settings

app = typer.Typer(
    help="Raw event logs in, weekly user conversion out.",
    epilog="Every option also reads USER_CONVERSION_<NAME> from the environment.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

# The exit status of `check` if the rate has changed.
CHANGED = 3


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


Format = Annotated[OutputFormat, option("format", "How to print the result.")]
NoReport = Annotated[bool, option("no-report", "Do not write the report at the end.")]


def _version(wanted: bool) -> None:
    if wanted:
        from user_conversion import __version__

        typer.echo(f"user-conversion {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Raw event logs in, weekly user conversion out."""


@command(app, "run", SPLIT, CONVERSION)
def run(
    settings: Settings,
    no_report: NoReport = False,
    format: Format = OutputFormat.TABLE,  # noqa: A002
) -> None:
    """Split the events, compute the conversion, write the report."""
    from user_conversion.jobs.run import run_jobs
    from user_conversion.places.layout import PAGE

    done = run_jobs("run", settings, report=not no_report)
    page = None if no_report else settings.folder / PAGE
    _print(done.record, format, split=done.split, page=page)


@command(app, "events-split", SPLIT)
def events_split(settings: Settings, format: Format = OutputFormat.TABLE) -> None:  # noqa: A002
    """Raw events to user_registration, app_loaded and rejected_events, by day."""
    from user_conversion.jobs.run import run_jobs
    from user_conversion.outputs import terminal
    from user_conversion.outputs.tables import json_text

    split = run_jobs(SPLIT, settings, [SPLIT]).split
    assert split
    terminal.show_skipped(split.skipped)
    if format == "json":
        document = {
            "events": split.total.as_json(),
            "read": split.read.as_json(),
            "files_read": len(split.files),
        }
        print(json_text(document), end="")
    else:
        terminal.show_events(terminal.console(), split)


@command(app, CONVERSION, CONVERSION, alias="conversion-rate")
def conversion_rate(settings: Settings, format: Format = OutputFormat.TABLE) -> None:  # noqa: A002
    """Parquet to user_conversion and weekly_summary; prints the metric (alias conversion-rate)."""
    from user_conversion.jobs.run import run_jobs

    _print(run_jobs(CONVERSION, settings, [CONVERSION]).record, format)


@command(app, "check", CONVERSION)
def check(settings: Settings, format: Format = OutputFormat.TABLE) -> None:  # noqa: A002
    """Has the rate changed? Compares the newest complete week; exit status 3 if it has."""
    from user_conversion.jobs.run import run_jobs
    from user_conversion.outputs import changes, terminal
    from user_conversion.outputs.tables import json_text

    result = run_jobs("check", settings, [CONVERSION]).record.conversion
    if format == "json":
        print(json_text(changes.as_json(result)), end="")
    else:
        terminal.show_change(terminal.console(), result)
    if result.change.changed:
        raise typer.Exit(CHANGED)


def _print(record: Any, format: str, split: Any = None, page: Path | None = None) -> None:  # noqa: A002
    from user_conversion.jobs.report import write
    from user_conversion.outputs import terminal

    if split is not None:
        terminal.show_skipped(split.skipped)
    if format == "json":
        write(record, "json", None)
        return
    out = terminal.console()
    if split is not None:
        terminal.show_events(out, split)
    terminal.show_conversion(out, record.result)
    if page:
        out.print(f"Report: {page}", soft_wrap=True, markup=False)


@app.command("report")
def report(
    output: Annotated[
        Path, option("output", "Folder of the Parquet datasets.", "DIR", readable=False)
    ] = Path("data-output"),
    format: Annotated[  # noqa: A002
        str,
        option(
            "format",
            "A page, a sheet, the JSON object, or a chat message.",
            "|".join(WRITERS),
        ),
    ] = "html",
    file: Annotated[
        Path | None,
        option(
            "file",
            "File to write. [default: report.html in the output, others to stdout]",
            "FILE",
        ),
    ] = None,
) -> None:
    """The last conversion as one self-contained HTML file; or csv, json, md."""
    from user_conversion.jobs.report import last_record, write
    from user_conversion.places.layout import PAGE

    target = file or (output / PAGE if format == "html" else None)
    write(last_record(output), format, target)
    if target:
        typer.echo(target)


@app.command("inspect")
def inspect_logs(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files, folders or globs.", readable=False),
    ],
    toml: Annotated[
        bool, option("toml", "Print a log format to edit instead, for --log-format.")
    ] = False,
) -> None:
    """What the logs are: kinds of files, names of events, fields, and the command to run."""
    from user_conversion.inputs.inspection import inspect
    from user_conversion.outputs import terminal

    found = inspect([str(path) for path in paths])
    if toml:
        print(found.as_toml(), end="")
    else:
        terminal.show_inspection(terminal.console(), found)


@app.command("sample")
def sample(
    output: Annotated[Path, option("output", "The file to write.", "FILE")] = Path(
        "data-input/dataset.json"
    ),
    seed: Annotated[
        int | None, option("seed", "Another seed, another log of the same kind.")
    ] = None,
    users: Annotated[int | None, option("users", "Registered users. [default: 7317]")] = None,
    days: Annotated[int | None, option("days", "Days. [default: 31]")] = None,
    start: Annotated[
        datetime | None,
        option("start", "First day. [default: 2020-01-01]", "DATE", formats=["%Y-%m-%d"]),
    ] = None,
) -> None:
    """Write a synthetic, reproducible event log."""
    from user_conversion.jobs.sample import SampleParameters, write_sample
    from user_conversion.places.publication import output_errors

    given = {"seed": seed, "users": users, "days": days, "start": start and start.date()}
    parameters = SampleParameters(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    with output_errors(output):
        registered, app_loaded = write_sample(output, parameters)
    typer.echo(f"{output}: {registered:,} registered and {app_loaded:,} app_loaded events")
