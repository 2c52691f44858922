"""Documents with a wrong value somewhere."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

HUGE = (2**64, -(2**63) - 1, 10**400, 1e308, -1.5)
WRONG = (None, True, 0, 7, -1, *HUGE, "", "text", "2020-45", "9999-12-31", [], [[]], {}, {"a": 1})
# What a mutation does with the member of an object that it finds.
MISSING = object()


def places(document: Any) -> Iterator[tuple[Any, ...]]:
    """The path to each value in a document."""
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, value in items:
            yield (key,)
            yield from ((key, *more) for more in places(value))


def mutated(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place, with none there, or with its value as text."""
    changed = copy.deepcopy(document)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    if value is MISSING:
        del parent[place[-1]]
    elif value == "as text":
        parent[place[-1]] = str(parent[place[-1]])
    else:
        parent[place[-1]] = value
    return changed
