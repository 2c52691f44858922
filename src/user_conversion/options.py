"""What an option is: its section of the help, and how its value is read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import Argument, Parameter, Token

from user_conversion.engines import ENGINES
from user_conversion.rules.addresses import is_address
from user_conversion.rules.errors import SettingsError

# The sections of the help, in order. The first two have the options of one job alone.
LOGS, METRIC, COMMON = "Logs", "Conversion", "Output and engine"
ENGINE_ONLY = {name: f"Only with --engine {name}" for name in ENGINES}
COMMAND_LINE_ONLY = "Only on the command line"
REPEATABLE = "Repeatable; one per line in the variable."
SECTIONS = (LOGS, METRIC, COMMON, *ENGINE_ONLY.values(), COMMAND_LINE_ONLY)


def option(help: str, metavar: str | None = None, group: str = COMMON, **more: Any) -> Parameter:  # noqa: A002
    """How a setting appears on the command line."""
    return Parameter(help=help, metavar=metavar, group=group, **more)


def own(help: str, metavar: str | None = None, **more: Any) -> Parameter:  # noqa: A002
    """An option of one command, which has neither a variable nor a key in the project file."""
    return option(help, metavar, COMMAND_LINE_ONLY, **more)


def _value(_: Any, tokens: Sequence[Token]) -> Any:
    """The value of an option: a text, or a table of the project file."""
    table = tokens[0].implicit_value
    return table if isinstance(table, Mapping) else tokens[0].value


def _values(_: Any, tokens: Sequence[Token]) -> Any:
    """The values of an option: texts, or a table of the project file."""
    table = tokens[0].implicit_value
    return table if isinstance(table, Mapping) else tuple(token.value for token in tokens)


def _split_at(separator: str) -> Callable[..., list[str]]:
    return lambda _, text, **__: re.split(separator, text)


ONE = Parameter(converter=_value, n_tokens=1, accepts_keys=False)
SEVERAL = Parameter(
    converter=_values,
    n_tokens=-1,
    accepts_keys=False,
    json_list=False,
    env_var_split=_split_at("\n"),
)
FILES = Parameter(consume_multiple=True, env_var_split=_split_at(":(?!//)"))

# Types that Python code may give in more forms than the command line.
Place = Annotated[str | Path, ONE]
Places = Annotated[str | Path | Sequence[str | Path], SEVERAL, FILES]
Texts = Annotated[str | Sequence[str], SEVERAL]
# A mapping, or texts of the form NAME=VALUE.
Pairs = Annotated[Mapping[str, str | Sequence[str]] | Sequence[str], SEVERAL]
# The name of a preset or file, or the log format itself.
LogFormatSource = Annotated[str | Mapping[str, Any] | None, ONE]

# A path of an option that has no other form in Python.
PathOption = Annotated[Path, Parameter(converter=lambda _, tokens: path(tokens[0].value))]

PlaceOption = Annotated[str, Parameter(converter=lambda _, tokens: place(tokens[0].value))]

# cyclopts rounds 1.9 to 2.
Whole = Annotated[int, Parameter(converter=lambda _, tokens: int(tokens[0].value))]

# The folder of the datasets, for every command.
Output = Annotated[Place, option("Folder or address of the Parquet datasets.", "PLACE")]
Title = Annotated[str | None, option("Title of the page.", "TEXT")]


def place(given: str | Path) -> str:
    """A path, as `path` has it, or an address in an object store, as it is."""
    return str(given) if is_address(given) else str(path(given))


def path(given: str | Path) -> Path:
    """A path as all engines understand it: a `~` at the beginning is the home folder.

    Raises `SettingsError` if there is no home folder, or no path.
    """
    text = os.fspath(given)
    if not text:
        raise SettingsError("A path is empty: write . for the working folder.")
    if text == "~" or text.startswith("~/"):
        home = os.path.expanduser("~")  # noqa: PTH111
        if home == "~" or os.environ.get("HOME") == "":
            raise SettingsError(f"{text}: there is no home folder; set HOME, or give a whole path.")
        return Path(home + text[1:])
    # DuckDB takes every first ~ for the home folder, also that of ./~.
    return Path.cwd() / text if str(Path(text)).startswith("~") else Path(text)


def section(argument: Argument) -> str:
    """The section of an option of the command line."""
    groups: Any = argument.parameter.group
    return str(groups[0].name)


def as_texts(option: str, value: Any) -> list[str]:
    """A value, or each of a list, as it would be written on the command line.

    Raises `SettingsError` if lists or tables are in it.
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    if any(isinstance(each, list | Mapping) for each in values):
        raise SettingsError(f"{option} cannot have lists or tables in it.")
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]


def is_of_type(value: Any, hint: Any) -> bool:
    """Whether Python code gave a value of the type of an option."""
    kind, of = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(is_of_type(value, each) for each in of)
    if kind is Sequence:
        return isinstance(value, list | tuple) and all(is_of_type(each, of[0]) for each in value)
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is date and isinstance(value, datetime))


def pairs(option: str, given: Pairs) -> dict[str, list[str]]:
    """The values by name; a name that occurs several times has several values."""
    if isinstance(given, Mapping):
        return {name: as_texts(f"{option} {name}", value) for name, value in given.items()}
    found: dict[str, list[str]] = {}
    for text in as_texts(option, given):
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise SettingsError(f"{option} {text}: expected NAME=VALUE.")
        found.setdefault(name, []).append(value)
    return found
