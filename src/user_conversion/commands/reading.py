"""The commands that only read: check, report, inspect."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import structs

from user_conversion.commands.option_values import PROJECT_FILE
from user_conversion.commands.shared import DEFAULTS, Config, Format, Open
from user_conversion.options import (
    Output,
    PlaceOption,
    option,
    own,
    place,
)
from user_conversion.outputs import WRITERS
from user_conversion.rules.errors import SettingsError, Status
from user_conversion.rules.printing import printable
from user_conversion.rules.weeks import time_zone


def check(
    *,
    output: Output = DEFAULTS.output,
    max_age: Annotated[
        int | None, option("Also find something if the latest event is older.", "DAYS")
    ] = None,
    format: Format = "table",  # noqa: A002
    config: Config = PROJECT_FILE,
) -> Status:
    """Has the rate changed, are the logs late? Reads the last run; exit status 3 if so."""
    from user_conversion.answer.finality import is_late
    from user_conversion.jobs.report import last_record
    from user_conversion.outputs import tables, terminal
    from user_conversion.places.place import place_at

    result = last_record(place_at(place(output))).conversion
    today = datetime.now(time_zone(result.timezone)).date()
    late = max_age is not None and is_late(result.observed_through, max_age, today)
    if format == "json":
        print(tables.check_as_json(result, late), end="")
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
    title: Annotated[str | None, option("Title of the page.", "TEXT")] = None,
    open: Open = False,  # noqa: A002
    config: Config = PROJECT_FILE,
) -> None:
    """The last conversion as one self-contained HTML file; or csv, json, md."""
    from user_conversion.jobs.report import is_stream, last_record, open_page, write, write_page
    from user_conversion.places.place import place_at

    where = place_at(place(output))
    record = last_record(where)
    record = structs.replace(record, title=title or record.title)
    if format == "html" and not file:
        target = write_page(record, where)
    else:
        target = place(file) if file else ""
        write(record, format, target)
    if target and not is_stream(target):
        print(printable(target))
    if open:
        open_page(target)


def inspect(
    paths: Annotated[list[str], own("Files, folders or globs.", "PATH...", name="PATH")],
    /,
    *,
    toml: Annotated[bool, own("Print a log format to edit, for --log-format.")] = False,
    init: Annotated[bool, own(f"Write {PROJECT_FILE}, which a run then needs alone.")] = False,
) -> None:
    """What the logs are: kinds of files, names of events, fields, and the command to run."""
    from user_conversion.inputs.inspection import inspect as inspected
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
