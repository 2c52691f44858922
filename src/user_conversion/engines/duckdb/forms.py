"""In which form a log has its timestamps and ids: usual forms are parsed with the JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from user_conversion.rules.log_format import KINDS, LogFormat
from user_conversion.rules.paths import is_of_folder

# If the first timestamp has one of these forms, DuckDB parses them while it parses the JSON, which
# takes half the time. Lines with another form are then unclear.
TYPED_FORMS = {
    rb"[-0-9]{10}T[:0-9]{8}Z": "%Y-%m-%dT%H:%M:%SZ",
    rb"[-0-9]{10}T[:0-9]{8}[.][0-9]{1,6}Z": "%Y-%m-%dT%H:%M:%S.%fZ",
}
INTEGERS = ("BIGINT", "INTEGER", "SMALLINT", "UINTEGER")
# DuckDB's name for the number of a row's file among those that are read.
FILE_NUMBER = "file_index"


class Forms(NamedTuple):
    """What DuckDB parses while it parses the JSON; lines of another form are then unclear.

    `timestamp` is the format of timestamps, `number_ids` says that ids are numbers,
    `integer_ids` that they are a column of integers.
    """

    timestamp: str | None = None
    number_ids: bool = False
    integer_ids: bool = False


def forms_of(sample: bytes, log_format: LogFormat) -> Forms:
    """The forms of the first timestamp and the first id of a log."""
    time, user = (_first_value(name, sample, log_format) for name in ("timestamp", "initiator_id"))
    if log_format.input.timestamp:
        time = b""
    formats = (TYPED_FORMS[form] for form in TYPED_FORMS if re.fullmatch(b'"' + form + b'"', time))
    is_number = re.fullmatch(rb"-?[0-9]+", user) is not None
    # The id of an identified event is another field, which is text.
    has_numbers = is_number and log_format.ids == "integer" and log_format.kinds == KINDS
    return Forms(next(formats, None), has_numbers)


def forms_of_rows(columns: Mapping[str, str], log_format: LogFormat) -> Forms:
    """The forms of a table: instants and ids are not texts if the columns say what they are."""
    kinds = {"TIMESTAMP WITH TIME ZONE"}
    if log_format.input.timezone == "UTC":
        kinds.add("TIMESTAMP")
    time, user = (
        columns.get(_only_key(name, log_format) or "") for name in ("timestamp", "initiator_id")
    )
    is_instant = time in kinds and not log_format.input.timestamp
    is_integer = user in INTEGERS and log_format.ids == "integer" and log_format.kinds == KINDS
    return Forms("of the column" if is_instant else None, integer_ids=is_integer)


def _only_key(name: str, log_format: LogFormat) -> str | None:
    """The key of a field, None if there are several or another field needs it as text."""
    (path, *more) = log_format.fields[name]
    is_shared = first_keys(log_format).count(str(path[0])) > 1
    return None if more or len(path) > 1 or is_shared else str(path[0])


def _first_value(name: str, sample: bytes, log_format: LogFormat) -> bytes:
    """The first value of a field, as it is written; empty if another field needs it as text."""
    key = _only_key(name, log_format)
    if key is None:
        return b""
    key_text = re.escape(key.encode())
    first = re.search(rb'"' + key_text + rb'"\s*:\s*("[^"]*"|[^\s,}\]]+)', sample)
    return first[1] if first else b""


def first_keys(log_format: LogFormat) -> list[str]:
    """The first key of every path, of each field and condition."""
    return [str(path[0]) for path in log_format.paths if not is_of_folder(path)]


def has_columns(log_format: LogFormat) -> bool:
    """Whether all keys can be columns of one table: no two differ only in case."""
    keys = [*{*first_keys(log_format)}, FILE_NUMBER]
    return len({key.lower() for key in keys}) == len(keys)
