"""Rejected lines: how much of them is kept, and how they are shown."""

from __future__ import annotations

from user_conversion.events import Reason

RAW_LIMIT = 65_536
CUT_MARK = "… [cut]"
SHOWN = 100


def kept_text(line: bytes) -> str:
    """A raw line as text for quarantine: at most 64 Ki characters, then a mark."""
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    return text if len(text) <= RAW_LIMIT else text[:RAW_LIMIT] + CUT_MARK


def shown_text(raw: str) -> str:
    """A raw line for people: short, on one line, without control characters."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in raw)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


HINTS = {
    Reason.INVALID_JSON: "not one JSON object on the line",
    Reason.MISSING_EVENT: "no event name",
    Reason.MISSING_TIMESTAMP: "no timestamp",
    Reason.INVALID_TIMESTAMP: "timestamp is not ISO-8601",
    Reason.TIMESTAMP_OUT_OF_RANGE: "timestamp before 1970 or in the future",
    Reason.MISSING_INITIATOR_ID: "no initiator_id",
    Reason.INVALID_INITIATOR_ID: "initiator_id is not a 64-bit integer",
}
