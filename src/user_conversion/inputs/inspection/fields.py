"""The fields of records, with the form of their values instead of the values of people."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from user_conversion.rules.events import EPOCH_NUMBER, parse_epoch, parse_timestamp
from user_conversion.rules.paths import FieldPath, path_text

DEPTH = 3
FORMS = (
    (re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE), "uuid"),
    (re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+"), "email"),
    (re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?"), "time"),
    (re.compile(r"-?\d+"), "integer as text"),
    (re.compile(r"\d{1,3}(\.[\dx]{1,3}){3}"), "IP address"),
    (re.compile(r"[a-z]+://\S+", re.IGNORECASE), "URL"),
)
# Fields whose values are shown only by their form, however few there are.
PERSONAL = re.compile(
    r"mail|phone|user|person|first|last|full.?name|address|token|secret|passw|session|(^|[._])ip|id$",
    re.IGNORECASE,
)
TIME_NAME = re.compile(r"time|date|tstamp|(^|[._])(ts|at|t)$|_at$", re.IGNORECASE)
SHOWN, LONGEST_SHOWN, REPEATED = 8, 30, 5


@dataclass(frozen=True)
class Field:
    """A field of the records: in which share of them it is, and what its values look like."""

    path: str
    share: float
    form: str


def fields(records: list[dict[str, Any]]) -> list[Field]:
    """The fields down to the third level that are not null, in order of their first record."""
    values: dict[FieldPath, list[Any]] = defaultdict(list)
    for record in records:
        for path, value in _leaves(record, ()):
            values[path].append(value)
    return [
        Field(path_text(path), len(found) / len(records), form(path_text(path), found))
        for path, found in values.items()
    ]


def _leaves(value: Any, path: FieldPath) -> Iterator[tuple[FieldPath, Any]]:
    if isinstance(value, dict) and len(path) < DEPTH:
        for key, inner in value.items():
            if key and '"' not in key:
                yield from _leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict) and len(path) < DEPTH:
        yield from _leaves(value[0], (*path, 0))
    elif value is not None and path:
        yield path, value


def form(name: str, values: list[Any]) -> str:
    """What the values of a field look like; only times and few, impersonal words as they are."""
    forms = list(dict.fromkeys(_form(name, value) for value in values))
    if forms == ["text"] and not PERSONAL.search(name):
        texts = dict.fromkeys(values)
        is_repeated = len(texts) <= SHOWN and REPEATED * len(texts) <= len(values)
        if is_repeated and max(map(len, texts)) <= LONGEST_SHOWN:
            return f"one of {', '.join(texts)}"
    if forms == ["time"]:
        return f"time such as {values[0]}"
    return " or ".join(forms)


def _form(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        is_time = TIME_NAME.search(name) and instant(value)
        kind = "integer" if isinstance(value, int) else "number"
        return f"{kind} (time since 1970)" if is_time else kind
    if isinstance(value, str):
        return next((name for pattern, name in FORMS if pattern.fullmatch(value)), "text")
    return "list" if isinstance(value, list) else "object"


def instant(value: Any) -> datetime | None:
    """The instant of a text in UTC, or of a number of seconds, milliseconds, ... since 1970."""
    text = str(value)
    if re.fullmatch(EPOCH_NUMBER, text):
        return parse_epoch(Decimal(text))
    return parse_timestamp(text)


def time_span(values: Iterable[Any]) -> tuple[datetime, datetime] | None:
    """The first and the last of some instants."""
    instants = [time for time in map(instant, values) if time]
    return (min(instants), max(instants)) if instants else None
