"""The server of Sail in this process, or the connection to one that runs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from user_conversion.engines.environment import environment
from user_conversion.engines.spark.connect import connected
from user_conversion.errors import EngineError
from user_conversion.settings import Settings

# Properties of the session that the results depend on.
REQUIRED = {"spark.sql.session.timeZone": "UTC", "spark.sql.caseSensitive": "true"}
SESSION = "spark.sql."
# A session that is idle for so long is ended: only a command that was killed leaves one.
IDLE_SECONDS = 24 * 60 * 60


def open_session(settings: Settings, scratch: Path) -> tuple[Any, Callable[[], None]]:
    """A session on Sail, and a function that ends it, and the server if it is in this process.

    Raises `EngineError` if Sail is not installed, does not start or cannot be reached.
    """
    if settings.master:
        _check_master(settings.master, settings)
    with ExitStack() as stack:
        url = settings.master or stack.enter_context(_server(settings, scratch))
        session = stack.enter_context(connected(url))
        for key, value in (_session_properties(settings) | REQUIRED).items():
            session.conf.set(key, value)
        return session, stack.pop_all().close


def _check_master(master: str, settings: Settings) -> None:
    if not master.startswith("sc://"):
        raise EngineError(f"--master {master} is no server of Sail: sc://host:port.")
    own = _own_properties(settings)
    if own or settings.memory_limit:
        option = "--memory-limit" if settings.memory_limit else f"--conf {next(iter(own))}"
        raise EngineError(f"{option} is for a server that this command starts: leave --master out.")


def _session_properties(settings: Settings) -> dict[str, str]:
    return {key: value for key, value in settings.properties.items() if key.startswith(SESSION)}


def _own_properties(settings: Settings) -> dict[str, str]:
    """Those of the server."""
    return {key: value for key, value in settings.properties.items() if not key.startswith(SESSION)}


@contextmanager
def _server(settings: Settings, scratch: Path) -> Iterator[str]:
    """The URL of a server on a free port of the loopback address, for a while."""
    try:
        from pysail.spark import SparkConnectServer
    except ImportError:
        raise EngineError("Sail is not installed: pip install 'user-conversion[sail]'.") from None
    scratch.mkdir(parents=True, exist_ok=True)
    with environment(_variables(settings, scratch)):
        try:
            server = SparkConnectServer()
            server.start(background=True)
        except Exception as error:
            raise EngineError(f"Sail did not start: {error}.") from None
    try:
        host, port = server.listening_address
        yield f"sc://{host}:{port}"
    finally:
        server.stop()


def _variables(settings: Settings, scratch: Path) -> dict[str, str]:
    """Sail's own configuration, which it takes from the environment."""
    wanted = {
        "runtime.temporary_files.paths": json.dumps([str(scratch)]),
        "spark.session_timeout_secs": str(IDLE_SECONDS),
    }
    if settings.memory_limit:
        limit = str(settings.memory_bytes)
        wanted |= {"runtime.memory_pool.type": "fair", "runtime.memory_pool.fair.max_size": limit}
    wanted |= _own_properties(settings)
    variables = {f"SAIL_{key.replace('.', '__').upper()}": text for key, text in wanted.items()}
    return variables | {"RUST_LOG": "info" if settings.verbose else "off"}
