"""The words for what is in a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import FieldPath


class Kind(Enum):
    """How the records of a file are written."""

    LINES = "newline-delimited JSON"
    ARRAY = "JSON array"
    OBJECTS = "JSON objects one behind the other"
    DOCUMENT = "JSON document"
    TABLE = "table"
    PARQUET = "Parquet"
    ZIP = "zip"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Content:
    """What is in a file.

    `records` is where the records of a document are, `delimiter` what separates the cells of a
    table, `reason` why the kind is unknown. `is_certain` is false if more of the
    file could change the answer.
    """

    kind: Kind
    compression: str = "none"
    records: FieldPath | None = None
    delimiter: str = ""
    reason: str = ""
    is_certain: bool = True


class NotALogError(InputError):
    """A file is of no kind that holds events; `reason` says why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(
            f"'{source}' is not a log of events ({reason}); exclude it, or describe it with "
            "--log-format."
        )
