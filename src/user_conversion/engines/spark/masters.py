"""Whether a Spark master or another server can be reached."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from user_conversion.engines.spark.errors import first_line
from user_conversion.rules.errors import EngineError

DEFAULT_PORTS = {"spark": 7077, "sc": 15002, "https": 443, "http": 80}
PATIENCE = 5.0


def require_reachable(master: str) -> None:
    """Try the master's port first: Spark itself would try again for minutes."""
    address = master.removeprefix("k8s://")
    if "://" not in address:
        return
    scheme, _, rest = address.partition("://")
    problems = []
    for host in rest.split("/")[0].split(";")[0].split(","):
        parts = urlsplit(f"//{host}")
        try:
            port = parts.port or DEFAULT_PORTS.get(scheme, 443)
            socket.create_connection((parts.hostname, port), timeout=PATIENCE).close()
        except (OSError, ValueError) as error:
            problems.append(first_line(error))
        else:
            return
    raise EngineError(
        f"The server {master} cannot be reached ({problems[0]}): check the URL and that it "
        "is running."
    )
