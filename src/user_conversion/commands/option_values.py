"""Where options come from that are not on the command line: variables, then the project file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, get_args, get_origin

from cyclopts import App, Argument, ArgumentCollection, Token

from user_conversion.options import COMMAND_LINE_ONLY, as_texts, path, section
from user_conversion.rules.errors import SettingsError, did_you_mean
from user_conversion.rules.toml import read_toml

PREFIX = "USER_CONVERSION_"
PROJECT_FILE = Path("user-conversion.toml")
# The parameter of commands for inputs that follow the options.
PATHS = "paths"


def give_values(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give each option that is not on the command line the value of its variable or its key.

    Raises `SettingsError` if the project file cannot be read or has an unknown key.
    """
    options = {name(each): each for each in arguments if _has_sources(each)}
    if not options:
        return
    if any(each.tokens for each in arguments if name(each) == PATHS):
        options.pop("input", None)  # it is on the command line
    for argument in options.values():
        variable = PREFIX + name(argument).upper()
        if not argument.tokens and (text := os.environ.get(variable)):
            _append(argument, variable, argument.env_var_split(text))
    config = options.pop("config").tokens
    file = path(config[-1].value) if config else PROJECT_FILE
    document = read_toml(file) if config or file.exists() else {}
    known = {*options, *(document.keys() and _every_option(app))} - {"config"}
    for key, value in document.items():
        if key not in known:
            raise SettingsError(f"{file}: unknown key '{key}'{did_you_mean(key, known)}")
        if key in options and not options[key].tokens:
            _append(options[key], f"{file}: {key}", value)


def name(argument: Argument) -> str:
    """The name of an option in Python and in the project file."""
    return str(argument.field_info.name)


def _has_sources(argument: Argument) -> bool:
    return argument.parse and not argument.children and section(argument) != COMMAND_LINE_ONLY


def _every_option(app: App) -> Iterator[str]:
    root = app.app_stack.current_frame[0]
    for word in root:
        yield from map(name, filter(_has_sources, root[word].assemble_argument_collection()))


def _append(argument: Argument, keyword: str, value: Any) -> None:
    """Give an option a value of a variable or of TOML, as if it were on the command line."""
    if isinstance(value, Mapping):
        if not any(get_origin(kind) is Mapping for kind in get_args(argument.hint)):
            raise SettingsError(f"{keyword} cannot be a table.")
        argument.append(Token(keyword=keyword, implicit_value=value))
        return
    texts = as_texts(keyword, value)
    if len(texts) != 1 and not argument.token_count()[1]:
        raise SettingsError(f"{keyword} needs one value.")
    if Path in get_args(argument.hint):
        texts = [_with_variables(keyword, text) for text in texts]
    for index, text in enumerate(texts):
        argument.append(Token(keyword=keyword, value=text, index=index))


def _with_variables(keyword: str, text: str) -> str:
    """A path with the values of its variables, such as $HOME; `$$` is a dollar sign."""
    try:
        return Template(text).substitute(os.environ)
    except KeyError as error:
        raise SettingsError(f"{keyword} {text}: the variable {error.args[0]} is not set.") from None
    except ValueError:
        raise SettingsError(f"{keyword} {text}: write $$ for a dollar sign.") from None
