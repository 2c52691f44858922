"""Rejected lines: why, and how much of them is kept."""

from __future__ import annotations

from enum import StrEnum

RAW_LIMIT = 65_536
CUT_MARK = "… [cut]"


class Reason(StrEnum):
    """Why a line is rejected; the first that applies, in this order."""

    INVALID_JSON = "invalid_json"
    MISSING_EVENT = "missing_event"
    MISSING_TIMESTAMP = "missing_timestamp"
    INVALID_TIMESTAMP = "invalid_timestamp"
    TIMESTAMP_OUT_OF_RANGE = "timestamp_out_of_range"
    MISSING_INITIATOR_ID = "missing_initiator_id"
    INVALID_INITIATOR_ID = "invalid_initiator_id"


class Rejected(Exception):  # noqa: N818 - classifies one line; does not fail the run
    """The line cannot be an event."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def kept_text(line: bytes) -> str:
    """A raw line as it is kept: at most `RAW_LIMIT` characters, then a mark."""
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    return text if len(text) <= RAW_LIMIT else text[:RAW_LIMIT] + CUT_MARK
