"""The command line: options in, settings out, results printed. The work is done elsewhere."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from user_conversion.outputs import WRITERS
from user_conversion.settings import CONVERSION, SPLIT, Option, Settings, options

ENVIRONMENT_PREFIX = "USER_CONVERSION_"

app = typer.Typer(
    help="Raw event logs in, weekly user conversion out.",
    epilog="Every option also reads USER_CONVERSION_<NAME> from the environment.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()


def _option(name: str, help: str, metavar: str | None = None, **more: Any) -> Any:  # noqa: A002
    more.setdefault("envvar", _variable(name))
    return typer.Option(f"--{name}", help=help, metavar=metavar, show_envvar=False, **more)


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


def _choice(name: str, values: Iterable[str]) -> Any:
    """The type of an option that has one of some values."""
    return StrEnum(name, {value.upper().replace("-", "_"): value for value in values})


Format = Annotated[OutputFormat, _option("format", "How to print the result.")]
NoReport = Annotated[bool, _option("no-report", "Do not write the report at the end.")]


# ---------------------------------------------------------------- options from the settings

# Settings of several texts, each of which is an option given again.
REPEATED = ("registered", "app_loaded", "field", "conf")


def _parameter(name: str) -> inspect.Parameter:
    """The command line's parameter for one setting."""
    option = options()[name][1]
    kind, more = _type(name, option)
    shown = _option(name.replace("_", "-"), option.help, option.metavar, **more)
    default = getattr(Settings, name)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if name in (*REPEATED, "input") else default,
        annotation=Annotated[kind, shown],
    )


def _type(name: str, option: Option) -> tuple[Any, dict[str, Any]]:
    """The type of an option, and further arguments for Typer."""
    # Whether a path can be read is checked by the jobs, whose errors say what to do.
    if name == "input":
        return list[Path] | None, {"readable": False}
    if name == "output":
        return Path, {"readable": False}
    if name == "as_of":
        return datetime | None, {"formats": ["%Y-%m-%d"]}
    if name in REPEATED:
        return list[str] | None, {"envvar": None}
    if option.choices:
        return _choice(name, option.choices), {}
    return options()[name][0], {}


def _settings(given: dict[str, Any], more_input: Iterable[Path]) -> Settings:
    values = {name: value for name, value in given.items() if value is not None}
    values |= {name: value.value for name, value in values.items() if isinstance(value, StrEnum)}
    for name in REPEATED:
        # Typer would split the variable at spaces, which the names of events may have.
        if name in given and name not in values and (text := os.environ.get(_variable(name))):
            values[name] = text.split("\n")
    inputs = [*more_input, *values.pop("input", [])]
    if inputs:
        values["input"] = inputs
    if "as_of" in values:
        values["as_of"] = values["as_of"].date()
    return Settings(**values)


def command(
    name: str, *jobs: str, alias: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command that gets `Settings` of all options of its jobs.

    The function's other parameters are further options.
    """
    names = [name for name, (_, option) in options().items() if {*option.jobs} & {*jobs}]

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[
                1:
            ]
        ]
        parameters = [*map(_parameter, names), *own]
        if SPLIT in jobs:
            # The shell expands --input logs/* to several words.
            more = Annotated[
                list[Path] | None, typer.Argument(hidden=True, metavar="PATH", readable=False)
            ]
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter("more_input", kind, default=None, annotation=more))

        def called(**given: Any) -> None:
            more_input = given.pop("more_input", None) or []
            options = {key: given.pop(key) for key in list(given) if key in names}
            function(_settings(options, more_input), **given)

        called.__doc__ = function.__doc__
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name)(called)
        if alias:
            app.command(alias, hidden=True)(called)
        return function

    return register


# ---------------------------------------------------------------- commands


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


@command("run", SPLIT, CONVERSION)
def run(
    settings: Settings,
    no_report: NoReport = False,
    format: Format = OutputFormat.TABLE,  # noqa: A002
) -> None:
    """Split the events, compute the conversion, write the report."""
    from user_conversion.outputs import PAGE, write
    from user_conversion.runs import Run

    with Run("run", settings) as this:
        split = this.split()
        this.convert()
    page = None
    if not no_report:
        page = settings.folder / PAGE
        write(_record(this), "html", page)
    _print(_record(this), format, split=split, page=page)


@command("events-split", SPLIT)
def events_split(settings: Settings, format: Format = OutputFormat.TABLE) -> None:  # noqa: A002
    """Raw events to user_registration, app_loaded and rejected_events, by day."""
    from user_conversion.outputs import terminal
    from user_conversion.outputs.tables import json_text
    from user_conversion.runs import Run

    with Run("events-split", settings) as this:
        split = this.split()
    terminal.show_skipped(split.skipped)
    if format == "json":
        document = {
            "events": split.total.as_json(),
            "read": split.read.as_json(),
            "files_read": len(split.plan.files),
        }
        print(json_text(document), end="")
    else:
        terminal.show_events(terminal.console(), split)


@command(CONVERSION, CONVERSION, alias="conversion-rate")
def conversion_rate(settings: Settings, format: Format = OutputFormat.TABLE) -> None:  # noqa: A002
    """Parquet to user_conversion and weekly_summary; prints the metric (alias conversion-rate)."""
    from user_conversion.runs import Run

    with Run(CONVERSION, settings) as this:
        this.convert()
    _print(_record(this), format)


def _record(run: Any) -> Any:
    assert run.record is not None
    return run.record


def _print(record: Any, format: str, split: Any = None, page: Path | None = None) -> None:  # noqa: A002
    from user_conversion.outputs import terminal, write

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
        Path, _option("output", "Folder of the Parquet datasets.", "DIR", readable=False)
    ] = Path("data-output"),
    format: Annotated[  # noqa: A002
        str,
        _option(
            "format",
            "A page, a sheet, the JSON object, or a chat message.",
            "|".join(WRITERS),
        ),
    ] = "html",
    file: Annotated[
        Path | None,
        _option(
            "file",
            "File to write. [default: report.html in the output, others to stdout]",
            "FILE",
        ),
    ] = None,
) -> None:
    """The last conversion as one self-contained HTML file; or csv, json, md."""
    from user_conversion.outputs import PAGE, write
    from user_conversion.run_record import RunRecord

    target = file or (output / PAGE if format == "html" else None)
    write(RunRecord.load(output), format, target)
    if target:
        typer.echo(target)


@app.command("inspect")
def inspect_logs(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files, folders or globs.", readable=False),
    ],
    toml: Annotated[
        bool, _option("toml", "Print a log format to edit instead, for --log-format.")
    ] = False,
) -> None:
    """What the logs are: kinds of files, names of events, fields, and the command to run."""
    from user_conversion.inspection import inspect
    from user_conversion.outputs import terminal

    found = inspect([str(path) for path in paths])
    if toml:
        print(found.as_toml(), end="")
    else:
        terminal.show_inspection(terminal.console(), found)


@app.command("sample")
def sample(
    output: Annotated[Path, _option("output", "The file to write.", "FILE")] = Path(
        "data-input/dataset.json"
    ),
    seed: Annotated[
        int | None, _option("seed", "Another seed, another log of the same kind.")
    ] = None,
    users: Annotated[int | None, _option("users", "Registered users. [default: 7317]")] = None,
    days: Annotated[int | None, _option("days", "Days. [default: 31]")] = None,
    start: Annotated[
        datetime | None,
        _option("start", "First day. [default: 2020-01-01]", "DATE", formats=["%Y-%m-%d"]),
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
