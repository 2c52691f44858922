"""How the command line speaks: help in plain text, and sentences for wrong usage."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import date
from typing import Any, Literal, get_args, get_origin

from cyclopts import (
    App,
    Argument,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnusedCliTokensError,
)

from user_conversion.options import SECTIONS, section

WIDTH, MARGIN, LONGEST_CHOICES = 80, 26, 60
OPTIONS = [
    ("-h, --help", "Show this page, or that of a command."),
    ("--version", "Show the version."),
]
EXPECTED = {
    date: "give a day such as 2020-01-31",
    float: "give a number such as 0.01",
    int: "give a whole number",
    bool: "give true or false",
}


def commands(app: App) -> list[str]:
    """The names of the commands, without the second name of one that has two."""
    return list(dict.fromkeys(app[word].name[0] for word in app))


def help_page(app: App, words: Sequence[str]) -> str:
    """The help of the command that is named in `words`, else of all; within 80 columns.

    cyclopts would print it with Rich, whose import takes longer than all the rest.
    """
    shown = next((app[word] for word in words if word in app), None)
    if shown:
        arguments = [each for each in shown.assemble_argument_collection() if each.show]
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for argument in arguments:
            sections[section(argument)].append(_option(argument))
        usage = [shown.name[0], *(_option(each)[0] for each in arguments if each.index is not None)]
    else:
        sections = {"Commands": [(name, app[name].help) for name in commands(app)]}
        sections["Options"] = OPTIONS
        usage = ["COMMAND"]
    parts = [
        " ".join(["Usage:", app.name[0], *usage, "[OPTIONS]"]),
        _wrapped((shown or app).help, WIDTH),
        *(_table(title, rows) for title, rows in sections.items() if rows),
    ]
    return "\n\n".join(parts)


def _option(argument: Argument) -> tuple[str, str]:
    """An option with its value, and what it is."""
    choices = "|".join(argument.get_choices() or ())
    value, text = choices or argument.parameter.metavar, argument.parameter.help or ""
    if len(choices) > LONGEST_CHOICES:
        value, text = "NAME", f"{text} One of {choices.replace('|', ', ')}."
    name = argument.name if argument.index is None else None
    default = argument.field_info.default
    shown = f" [default: {default}]" if default and not argument.required else ""
    return " ".join(filter(None, (name, value))), text + shown


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"{title}:"]
    for name, text in rows:
        first, *more = _wrapped(text, WIDTH - MARGIN).splitlines()
        name = f"  {name}".ljust(MARGIN)
        # A long name has a line of its own.
        lines += [name + first] if name.endswith("  ") else [name, " " * MARGIN + first]
        lines += [" " * MARGIN + line for line in more]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(" ".join(text.split()), width, break_on_hyphens=False)


def sentence(error: CycloptsError) -> str:
    """What is wrong with the words of a command, and what to do."""
    match error:
        case CoercionError(token=token, argument=argument) if token and argument:
            return f"{token.keyword or argument.name} {token.value}: {_expected(error)}."
        case MissingArgumentError(argument=argument, keyword=keyword) if argument:
            return f"{keyword or argument.name} needs a value."
        case RepeatArgumentError(token=token):
            return f"{token.keyword} is given more than once."
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            return f"Unexpected argument '{word}': see --help."
    return str(error)


def _expected(error: CoercionError) -> str:
    wanted: Any = error.target_type
    if get_origin(wanted) is Literal:
        return f"choose one of {', '.join(get_args(wanted))}"
    kinds = [EXPECTED[kind] for kind in (wanted, *get_args(wanted)) if kind in EXPECTED]
    return kinds[0] if kinds else "this is not a value of this option"
