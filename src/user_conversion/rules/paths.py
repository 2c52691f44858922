"""Field paths: where a value is in a JSON object, such as `user.id` or `items[0].id`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from user_conversion.rules.errors import SettingsError

# Keys of objects, places in arrays.
FieldPath = tuple[str | int, ...]

_STEP = re.compile(r'\.?(?:"([^"]+)"|([^."\[\]]+))|\[([0-9]{1,9})\]')


def parse_path(text: str) -> FieldPath:
    """The steps of a path such as `a.b`, `"a.b".c` or `a[0].b`.

    Raises `SettingsError` if the text is no path.
    """
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if not match or (match[0].startswith(".") and not steps):
            break
        steps.append(int(match[3]) if match[3] else match[1] or match[2])
        at = match.end()
    if at < len(text) or not steps or isinstance(steps[0], int):
        raise SettingsError(
            f'{text!r} is not a path to a field: write user.id, "user.id".name or items[0].id.'
        )
    return tuple(steps)


def path_text(path: FieldPath) -> str:
    """A path as it is written in options and TOML files."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f'."{step}"' if _is_quoted(step) else f".{step}"
        for step in path
    )
    return "".join(steps).removeprefix(".")


def _is_quoted(step: str) -> bool:
    return re.search(r'[."\[\]]', step) is not None


def value_at(value: Any, path: FieldPath) -> Any:
    """The JSON value at a path; None if the path leads through something else."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def first_at(value: Any, paths: Iterable[FieldPath]) -> Any:
    """The value at the first of several paths where it is not null; None if there is none."""
    values = (value_at(value, path) for path in paths)
    return next((each for each in values if each is not None), None)
