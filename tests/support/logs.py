"""Event logs on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

TIME = "2020-11-02T06:21:14Z"


def registered(time: str, initiator_id: object, channel: str | None = None, **more: object) -> str:
    """One line of a log."""
    event = {"event": "registered", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"channel": channel} | more)


def line(user: int, time: str = TIME) -> str:
    """A registration, when nothing but the user matters."""
    return registered(time, user)


def app_loaded(time: str, initiator_id: object, device_type: str | None = None) -> str:
    """One line of a log."""
    event = {"event": "app_loaded", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"device_type": device_type})


# The worked example of the brief: three users, one converted.
WORKED_EXAMPLE = [
    registered("2020-11-02T06:21:14Z", 1, "invite"),
    registered("2020-11-02T07:00:14Z", 2, "invite"),
    registered("2020-11-03T07:00:14Z", 3),
    app_loaded("2020-11-03T06:24:42Z", 1),
    app_loaded("2020-11-11T10:13:42Z", 2),
    app_loaded("2020-11-12T11:08:42Z", 2),
    app_loaded("2020-11-17T11:08:42Z", 3),
]


def write_log(path: Path, lines: Iterable[str | bytes]) -> Path:
    """Write lines to a file, each ended by a line feed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    as_bytes = (line if isinstance(line, bytes) else line.encode() for line in lines)
    path.write_bytes(b"".join(line + b"\n" for line in as_bytes))
    return path
