"""TOML documents: read, and checked against the type that they should have."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec

from user_conversion.rules.errors import SettingsError, did_you_mean

# What a TOML file calls the types of msgspec's errors.
_WORDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "array": "a list",
    "object": "a table",
}


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises `SettingsError` if it cannot be read."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"Cannot read '{file}': {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"'{file}' is not TOML: {error}.") from None


def checked(value: Any, type_: Any, source: str, place: str = "") -> Any:
    """A value of a TOML document as a type.

    Raises `SettingsError` that begins with the source and names the place, e.g.
    `Log format my.toml: input.unnamed: expected true or false.` `place` is where the value is.
    """
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        message, _, within = str(error).partition(" - at `$")
    within = within.removesuffix("`")
    place = (place + within).removeprefix(".")
    within = within.removeprefix(".")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        table = f" in [{place}]" if place else ""
        known = [each.name for each in msgspec.structs.fields(_type_at(type_, within))]
        near = did_you_mean(unknown[1], known)
        raise SettingsError(f"{source}: unknown key {unknown[1]!r}{table}{near}")
    if missing := re.fullmatch(r"Object missing required field `(.*)`", message):
        raise SettingsError(f"{source}: {place}: the key {missing[1]!r} is missing.")
    if message.startswith("Invalid enum value"):
        expected = _choices(_type_at(type_, within))
    else:
        names = re.findall(r"\w+", message.partition(",")[0])
        expected = [_WORDS[name] for name in names if name in _WORDS]
    raise SettingsError(f"{source}: {place}: expected {_listed(expected)}.")


def _listed(words: list[str]) -> str:
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last


def _type_at(type_: Any, place: str) -> Any:
    """The type of a place in a document."""
    for step in filter(None, place.split(".")):
        type_ = {each.name: each.type for each in msgspec.structs.fields(type_)}[step]
    return type_


def _choices(type_: Any) -> list[str]:
    """The texts that a type allows."""
    if isinstance(type_, str):
        return [f'"{type_}"']
    return [choice for each in get_args(type_) for choice in _choices(each)]
