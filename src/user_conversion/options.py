"""Options of the command line, made from the settings."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from user_conversion.rules.job_names import SPLIT
from user_conversion.settings import Option, Settings, options

ENVIRONMENT_PREFIX = "USER_CONVERSION_"


def _variable(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.replace("-", "_").upper()


def option(name: str, help: str, metavar: str | None = None, **more: Any) -> Any:  # noqa: A002
    """An option that also reads USER_CONVERSION_<NAME> from the environment."""
    more.setdefault("envvar", _variable(name))
    return typer.Option(f"--{name}", help=help, metavar=metavar, show_envvar=False, **more)


# Settings of several texts, each of which is an option given again.
REPEATED = ("registered", "app_loaded", "field", "conf")


def _parameter(name: str) -> inspect.Parameter:
    """The command line's parameter for one setting."""
    setting = options()[name][1]
    kind, more = _type(name, setting)
    # The settings check choices: their sentence says what to do.
    metavar = f"<{'|'.join(setting.choices)}>" if setting.choices else setting.metavar
    shown = option(name.replace("_", "-"), setting.help, metavar, **more)
    default = getattr(Settings, name)
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if name in (*REPEATED, "input") else default,
        annotation=Annotated[kind, shown],
    )


def _type(name: str, setting: Option) -> tuple[Any, dict[str, Any]]:
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
    return options()[name][0], {}


def _settings(given: dict[str, Any], more_input: Iterable[Path]) -> Settings:
    values = {name: value for name, value in given.items() if value is not None}
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
    app: typer.Typer, name: str, *jobs: str, alias: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command that gets `Settings` of all options of its jobs.

    The function's other parameters are further options.
    """
    names = [name for name, (_, setting) in options().items() if {*setting.jobs} & {*jobs}]

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
