"""A server of Sail in this process, or the connection to one that runs elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from user_conversion.errors import EngineError
from user_conversion.settings import Settings


def open_session(settings: Settings, scratch: Path) -> tuple[Any, Callable[[], None]]:
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession
    with ExitStack() as stack:
        url = settings.master
        if not url:
            server = SparkConnectServer()
            server.start(background=True)
            stack.callback(server.stop)
            host, port = server.listening_address
            url = f"sc://{host}:{port}"
        session = SparkSession.builder.remote(url).create()
        stack.callback(session.stop)
        session.conf.set("spark.sql.session.timeZone", "UTC")
        return session, stack.pop_all().close
