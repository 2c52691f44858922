"""Event logs on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory


def registered(time: str, initiator_id: object, channel: str | None = None, **more: object) -> str:
    """One line of a log."""
    event = {"event": "registered", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"channel": channel} | more)


def app_loaded(time: str, initiator_id: object, device_type: str | None = None) -> str:
    """One line of a log."""
    event = {"event": "app_loaded", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"device_type": device_type})


def scratch_folder() -> TemporaryDirectory[str]:
    """A folder for one example of a property test, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    return TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def write_log(path: Path, lines: Iterable[str | bytes]) -> Path:
    """Write lines to a file, each ended by a line feed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    as_bytes = (line if isinstance(line, bytes) else line.encode() for line in lines)
    path.write_bytes(b"".join(line + b"\n" for line in as_bytes))
    return path
