"""Field paths: where a value is in a JSON object, such as `user.id` or `items[0].id`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

from user_conversion.rules.errors import SettingsError


class Element(NamedTuple):
    """The first object in an array whose member `key` has this text."""

    key: str
    text: str


# A first step that begins so is the value of a folder of the file, such as `ads` of `channel=ads/`.
FOLDER = "folder:"
NO_FOLDER = "__HIVE_DEFAULT_PARTITION__"

# Keys of objects, places in arrays, elements of arrays.
FieldPath = tuple[str | int | Element, ...]

_STEP = re.compile(r'\.?(?:"([^"]+)"|([^."\[\]]+))|\[([0-9]{1,9})\]|\[([^."\[\]=]+)=([^"\[\]]+)\]')


def parse_path(text: str) -> FieldPath:
    """The steps of a path such as `a.b`, `"a.b".c`, `a[0].b` or `a[key=plan].b`.

    Raises `SettingsError` if the text is no path.
    """
    steps: list[str | int | Element] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if not match or (match[0].startswith(".") and not steps):
            break
        element = Element(match[4], match[5]) if match[4] else None
        steps.append(element or (int(match[3]) if match[3] else match[1] or match[2]))
        at = match.end()
    is_whole = at == len(text) and steps and not isinstance(steps[-1], Element)
    is_deep = len(steps) > 1 and text.startswith(FOLDER)
    if not is_whole or not isinstance(steps[0], str) or is_deep:
        raise SettingsError(
            f'{text!r} is not a path to a field: write user.id, "user.id".name, items[0].id or '
            "items[key=user].id."
        )
    return tuple(steps)


def path_text(path: FieldPath) -> str:
    """A path as it is written in options and TOML files."""
    return "".join(map(_step_text, path)).removeprefix(".")


def _step_text(step: str | int | Element) -> str:
    match step:
        case int():
            return f"[{step}]"
        case Element():
            return f"[{step.key}={step.text}]"
    return f'."{step}"' if re.search(r'[."\[\]]', step) else f".{step}"


def is_of_folder(path: FieldPath) -> bool:
    """Whether a path leads to the value of a folder, not into the record."""
    return str(path[0]).startswith(FOLDER)


def folder_values(source: str, paths: Iterable[FieldPath]) -> dict[str, str | None]:
    """The values of the folders of a file, by the first steps of the paths that lead to them."""
    found: dict[str, str | None] = {}
    folders = dict(part.split("=", 1) for part in source.split("/")[:-1] if "=" in part)
    for key in (str(path[0]) for path in paths if is_of_folder(path)):
        value = folders.get(key.removeprefix(FOLDER), NO_FOLDER)
        found[key] = None if value == NO_FOLDER else unquote(value)
    return found


def as_text(value: Any) -> str | None:
    """A JSON value as the text of an attribute: strings as they are, others as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def value_at(value: Any, path: FieldPath) -> Any:
    """The JSON value at a path; None if the path leads through something else."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        elif isinstance(step, Element):
            elements = value if isinstance(value, list) else ()
            objects = (each for each in elements if isinstance(each, dict))
            value = next((o for o in objects if as_text(o.get(step.key)) == step.text), None)
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def first_at(value: Any, paths: Iterable[FieldPath]) -> Any:
    """The value at the first of several paths where it is not null; None if there is none."""
    values = (value_at(value, path) for path in paths)
    return next((each for each in values if each is not None), None)
