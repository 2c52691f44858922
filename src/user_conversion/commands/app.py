"""The command line: its commands, read from the words that were typed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Annotated, Literal, get_type_hints

from cyclopts import App, CycloptsError, Parameter

from user_conversion.commands import commands
from user_conversion.commands.option_values import PROJECT_FILE, give_values
from user_conversion.commands.usage import help_page, sentence
from user_conversion.options import LOGS, METRIC, own
from user_conversion.rules.errors import SettingsError, Status
from user_conversion.rules.job_names import CONVERSION
from user_conversion.settings import Settings

STANDARD_INPUT = "/dev/stdin"
# The options of a run that `sql` has.
FOR_SQL = {
    *("log_format", "registered", "app_loaded", "field"),
    *("definition", "timezone", "week_start", "by"),
}

app = App(
    name="user-conversion",
    help="Raw event logs in, weekly user conversion out. Options are read from the command line, "
    f"else from variables USER_CONVERSION_<NAME>, else from {PROJECT_FILE}.",
    help_flags=[],
    version_flags=[],
    config=give_values,
    default_parameter=Parameter(negative=()),
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
SECTIONS = {
    name: hint.__metadata__[-1].group
    for name, hint in get_type_hints(Settings, include_extras=True).items()
}


def without(names: Iterable[str]) -> Parameter:
    """How a command takes the settings, but for some."""
    return Parameter(parse=f"^(?!({'|'.join(names)})$)")


app.command(commands.run)
app.command(
    commands.events_split,
    default_parameter=without(name for name in SECTIONS if METRIC in SECTIONS[name]),
)
app.command(
    commands.conversion_rate,
    name="conversion-rate",
    alias=CONVERSION,
    default_parameter=without(name for name in SECTIONS if LOGS in SECTIONS[name]),
)
app.command(commands.check)
app.command(commands.report)
app.command(commands.inspect)
app.command(commands.sql, default_parameter=without(sorted(SECTIONS.keys() - FOR_SQL)))
app.command(commands.sample)


@app.command
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], own("The shell.", "SHELL", name="SHELL")],
    /,
) -> None:
    """Print the completion of commands and options: eval "$(user-conversion completion bash)"."""
    print(app.generate_completion(shell=shell))


def main(words: Sequence[str]) -> Status:
    """Run a command. Raises `SettingsError` if it is used wrongly."""
    if not words or {"-h", "--help"} & {*words}:
        print(help_page(app, words))
        return Status.DONE if words else Status.USAGE
    # A lone hyphen would be taken for an option without a name.
    words = [STANDARD_INPUT if word == "-" else word for word in words]
    try:
        command, bound, _ = app.parse_args(words)
    except CycloptsError as error:
        raise SettingsError(sentence(error)) from None
    settings = bound.arguments.get("settings", commands.DEFAULTS)
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere) if settings.quiet else nullcontext(),
    ):
        return command(*bound.args, **bound.kwargs) or Status.DONE
