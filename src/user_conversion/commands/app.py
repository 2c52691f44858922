"""The command line: its commands, read from the words that were typed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from user_conversion.commands import reading, running, writing
from user_conversion.commands.option_values import PROJECT_FILE, give_values
from user_conversion.commands.shared import DEFAULTS
from user_conversion.commands.usage import help_page, sentence
from user_conversion.options import LOGS, METRIC, own
from user_conversion.rules.errors import SettingsError, Status
from user_conversion.rules.job_names import CONVERSION
from user_conversion.settings import only, without

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
app.command(running.run)
app.command(running.events_split, default_parameter=without(METRIC))
app.command(
    running.conversion_rate,
    name="conversion-rate",
    alias=CONVERSION,
    default_parameter=without(LOGS),
)
app.command(reading.check)
app.command(reading.report)
app.command(reading.inspect)
app.command(writing.sql, default_parameter=only(*writing.FOR_SQL))
app.command(writing.sample)

STANDARD_INPUT = "/dev/stdin"


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
    settings = bound.arguments.get("settings", DEFAULTS)
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere) if settings.quiet else nullcontext(),
    ):
        return command(*bound.args, **bound.kwargs) or Status.DONE
