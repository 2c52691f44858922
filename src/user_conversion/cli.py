"""The command line: options in, settings out, and what is printed. The work is done elsewhere."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from user_conversion.settings import (
    ENVIRONMENT_PREFIX,
    ConversionSettings,
    EngineSettings,
    SplitSettings,
)

app = typer.Typer(
    help="Raw event logs in, weekly user conversion out.",
    epilog="Every option also reads USER_CONVERSION_<NAME> from the environment.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class EngineName(StrEnum):
    """The engines."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class DefinitionName(StrEnum):
    """The definitions."""

    NEXT_WEEK = "next-week"
    SAME_WEEK = "same-week"
    ANY_LOAD_NEXT_WEEK = "any-load-next-week"


class ReportFormat(StrEnum):
    """What a report can be."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"
    MD = "md"


class OutputFormat(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


def _option(name: str, help_text: str, **more: Any) -> Any:
    variable = ENVIRONMENT_PREFIX + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, help=help_text, envvar=variable, show_envvar=False, **more)


Input = Annotated[
    list[Path] | None,
    _option(
        "--input",
        "Files, folders (read recursively) or globs of newline-delimited JSON. "
        "[default: data-input]",
        metavar="PATH...",
        readable=False,
    ),
]
MoreInput = Annotated[
    list[Path] | None, typer.Argument(hidden=True, metavar="PATH", readable=False)
]
# Whether a path can be read is for the jobs to say; their errors say what to do about it.
Output = Annotated[
    Path,
    _option("--output", "Folder of the Parquet datasets.", metavar="DIR", readable=False),
]
EngineOption = Annotated[EngineName, _option("--engine", "What computes.")]
Master = Annotated[
    str | None,
    _option(
        "--master",
        "Spark master: local[*], spark://…, yarn, k8s://… or sc://… "
        "[default: spark-submit's or the session's, else local[*]]",
        metavar="URL",
    ),
]
Conf = Annotated[
    list[str] | None,
    _option("--conf", "A Spark property; may be repeated.", metavar="KEY=VALUE"),
]
MemoryLimit = Annotated[
    str | None,
    _option(
        "--memory-limit",
        "Memory that DuckDB may take; the rest goes to disk beside the output. "
        "[default: a share of the machine's, 1 GiB or more]",
        metavar="SIZE",
    ),
]
Attribute = Annotated[
    list[str] | None,
    _option(
        "--attribute",
        "Another field of the registered event to keep for --by; may be repeated.",
        metavar="FIELD",
    ),
]
MaxRejected = Annotated[
    float, _option("--max-rejected", "Share of lines that may be rejected.", metavar="SHARE")
]
FullRefresh = Annotated[
    bool, _option("--full-refresh", "Read all inputs again and replace what is there.")
]
Definition = Annotated[DefinitionName, _option("--definition", "Which users count as converted.")]
Timezone = Annotated[
    str,
    _option("--timezone", "Zone of the calendar weeks, e.g. Europe/Berlin.", metavar="IANA-NAME"),
]
AsOf = Annotated[
    datetime | None,
    _option(
        "--as-of", "Take events up to this local day only.", formats=["%Y-%m-%d"], metavar="DATE"
    ),
]
By = Annotated[
    str | None,
    _option(
        "--by", "Split by channel, device_type or an --attribute.", metavar="channel|device_type"
    ),
]
Format = Annotated[OutputFormat, _option("--format", "How to print the result.")]
NoReport = Annotated[bool, _option("--no-report", "Leave out the report at the end.")]
Verbose = Annotated[bool, _option("--verbose", "Show the engine's own log on stderr.")]

DEFAULT_INPUT = Path("data-input")
DEFAULT_OUTPUT = Path("data-output")


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


@app.command("run")
def run(
    paths: MoreInput = None,
    input: Input = None,  # noqa: A002
    output: Output = DEFAULT_OUTPUT,
    engine: EngineOption = EngineName.DUCKDB,
    master: Master = None,
    conf: Conf = None,
    memory_limit: MemoryLimit = None,
    attribute: Attribute = None,
    max_rejected: MaxRejected = 0.01,
    full_refresh: FullRefresh = False,
    definition: Definition = DefinitionName.NEXT_WEEK,
    timezone: Timezone = "UTC",
    as_of: AsOf = None,
    by: By = None,
    no_report: NoReport = False,
    format: Format = OutputFormat.TABLE,  # noqa: A002
    verbose: Verbose = False,
) -> None:
    """Split the events, compute the conversion, write the report."""
    wanted = [*(attribute or []), *([by] if by not in (None, "device_type") else [])]
    split = _split_settings(paths, input, output, wanted, max_rejected, full_refresh)
    conversion = _conversion_settings(output, definition, timezone, as_of, by)
    from user_conversion.runs import Run

    with Run("run", output, _engine_settings(engine, master, conf, memory_limit, verbose)) as this:
        events = this.split(split)
        result = this.convert(conversion)
    page = None
    if not no_report:
        from user_conversion.report import write_report

        page = write_report(output)
    if format is OutputFormat.JSON:
        _print_json(result.as_json())
        return
    from user_conversion import terminal

    out = terminal.console()
    terminal.show_events(out, events.total, len(events.plan.files), events.plan.why)
    terminal.show_conversion(out, result)
    if page:
        out.print(f"Report: {page}", soft_wrap=True, markup=False)


@app.command("events-split")
def events_split(
    paths: MoreInput = None,
    input: Input = None,  # noqa: A002
    output: Output = DEFAULT_OUTPUT,
    engine: EngineOption = EngineName.DUCKDB,
    master: Master = None,
    conf: Conf = None,
    memory_limit: MemoryLimit = None,
    attribute: Attribute = None,
    max_rejected: MaxRejected = 0.01,
    full_refresh: FullRefresh = False,
    format: Format = OutputFormat.TABLE,  # noqa: A002
    verbose: Verbose = False,
) -> None:
    """Raw events to user_registration, app_loaded and rejected_events, by day."""
    split = _split_settings(paths, input, output, attribute, max_rejected, full_refresh)
    from user_conversion.runs import Run

    with Run(
        "events-split", output, _engine_settings(engine, master, conf, memory_limit, verbose)
    ) as this:
        events = this.split(split)
    if format is OutputFormat.JSON:
        from user_conversion.results import counts_as_json

        _print_json(
            {
                "events": counts_as_json(events.total),
                "read": counts_as_json(events.read),
                "files_read": len(events.plan.files),
            }
        )
        return
    from user_conversion import terminal

    out = terminal.console()
    terminal.show_events(out, events.total, len(events.plan.files), events.plan.why)


@app.command("conversion-rate-week-after-registration")
@app.command("conversion-rate", hidden=True)
def conversion_rate(
    output: Output = DEFAULT_OUTPUT,
    engine: EngineOption = EngineName.DUCKDB,
    master: Master = None,
    conf: Conf = None,
    memory_limit: MemoryLimit = None,
    definition: Definition = DefinitionName.NEXT_WEEK,
    timezone: Timezone = "UTC",
    as_of: AsOf = None,
    by: By = None,
    format: Format = OutputFormat.TABLE,  # noqa: A002
    verbose: Verbose = False,
) -> None:
    """Parquet to user_conversion and weekly_summary; prints the metric (alias conversion-rate)."""
    conversion = _conversion_settings(output, definition, timezone, as_of, by)
    from user_conversion.runs import CONVERSION, Run

    with Run(
        CONVERSION, output, _engine_settings(engine, master, conf, memory_limit, verbose)
    ) as this:
        result = this.convert(conversion)
    if format is OutputFormat.JSON:
        _print_json(result.as_json())
        return
    from user_conversion import terminal

    terminal.show_conversion(terminal.console(), result)


@app.command("report")
def report(
    output: Output = DEFAULT_OUTPUT,
    format: Annotated[  # noqa: A002
        ReportFormat,
        typer.Option("--format", help="A page, a sheet, the JSON object, or a chat message."),
    ] = ReportFormat.HTML,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Where to write it. [default: report.html in the output, others to stdout]",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Parquet to one self-contained HTML file; or csv, json, md."""
    from user_conversion.report import write_report

    page = write_report(output, format.value, file)
    if page:
        typer.echo(page)


@app.command("sample")
def sample(
    output: Annotated[
        Path, typer.Option("--output", help="The file to write.", metavar="FILE")
    ] = Path("data-input/dataset.json"),
    seed: Annotated[
        int | None, typer.Option("--seed", help="Another seed, another log of the same kind.")
    ] = None,
    users: Annotated[
        int | None, typer.Option("--users", help="Registered users. [default: 7317]")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", help="Days. [default: 31]")] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            help="First day. [default: 2020-01-01]",
            formats=["%Y-%m-%d"],
            metavar="DATE",
        ),
    ] = None,
) -> None:
    """Write a synthetic, reproducible event log."""
    from user_conversion.publication import output_errors
    from user_conversion.sample import SampleParameters, write_sample

    given = {"seed": seed, "users": users, "days": days, "start": start and start.date()}
    parameters = SampleParameters(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    with output_errors(output):
        registered, app_loaded = write_sample(output, parameters)
    typer.echo(f"{output}: {registered:,} registered and {app_loaded:,} app_loaded events")


def _split_settings(
    paths: list[Path] | None,
    more: list[Path] | None,
    output: Path,
    attributes: list[str] | None,
    max_rejected: float,
    full_refresh: bool,
) -> SplitSettings:
    inputs = [*(more or []), *(paths or [])] or [DEFAULT_INPUT]
    extra = dict.fromkeys(name for name in attributes or [] if name != "channel")
    return SplitSettings(
        inputs=tuple(map(str, inputs)),
        output=output,
        attributes=("channel", *extra),
        max_rejected=max_rejected,
        full_refresh=full_refresh,
    )


def _conversion_settings(
    output: Path, definition: DefinitionName, timezone: str, as_of: datetime | None, by: str | None
) -> ConversionSettings:
    day = as_of.date() if as_of else None
    return ConversionSettings(output, definition.value, timezone, day, by)


def _engine_settings(
    engine: EngineName,
    master: str | None,
    conf: list[str] | None,
    memory_limit: str | None,
    verbose: bool,
) -> EngineSettings:
    from user_conversion.errors import SettingsError

    properties = {}
    for text in conf or []:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SettingsError(f"--conf {text}: expected KEY=VALUE.")
        properties[key] = value
    return EngineSettings(engine.value, master, properties, memory_limit, verbose=verbose)


def _print_json(document: Any) -> None:
    # In ASCII: texts from the logs may hold what a terminal obeys, or cannot show.
    typer.echo(json.dumps(document, indent=2))
