"""The commands that run jobs: run, events-split, conversion-rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from user_conversion.commands.option_values import PROJECT_FILE
from user_conversion.commands.shared import DEFAULTS, Config, Format, InputPath, Open
from user_conversion.options import (
    option,
)
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.settings import Settings


def with_inputs(settings: Settings, paths: Sequence[str]) -> Settings:
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

    settings = with_inputs(settings, paths)
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
    from user_conversion.outputs import terminal
    from user_conversion.outputs.tables import json_text

    done = run_jobs(SPLIT, with_inputs(settings, paths), [SPLIT])
    split = done.split
    assert split
    terminal.show_files(split)
    terminal.show_notes(done.record.notes)
    if format == "json":
        document = {
            "events": split.total,
            "read": split.read,
            "files_read": len(split.files),
        }
        print(json_text(document), end="")
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
