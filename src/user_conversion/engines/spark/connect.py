"""Sessions of Spark Connect."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from user_conversion.engines.spark.environment import environment
from user_conversion.engines.spark.errors import first_line, root_cause
from user_conversion.engines.spark.masters import require_reachable
from user_conversion.rules.errors import EngineError

# Where this is set, `pyspark.sql.functions` makes the columns of Spark Connect.
CONNECT_MODE = {"SPARK_CONNECT_MODE_ENABLED": "1"}
# The waits between them grow to 13 seconds.
RETRIES = 5


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A session on the server at a URL, `sc://host:port`, for a while.

    Raises `EngineError` if it cannot be reached or a package is missing.
    """
    require_reachable(url)
    # Old clients with new libraries, about which a user can do nothing.
    warnings.filterwarnings("ignore", module=r"pyspark\.")
    with environment(CONNECT_MODE):
        session = _session(url)
        try:
            yield session
        finally:
            session.stop()


def _session(url: str) -> Any:
    try:
        from pyspark.sql.connect.session import SparkSession

        session = SparkSession.builder.remote(url).create()
        _limit_retries(session.client)
    except ImportError as error:
        raise EngineError(
            f"Spark Connect needs more packages ({first_line(error)}): "
            "pip install 'pyspark[connect]'."
        ) from None
    except Exception as error:
        raise EngineError(f"Spark Connect at {url} refused: {root_cause(error)}.") from None
    return session


def _limit_retries(client: Any) -> None:
    """Spark Connect would wait for ten minutes for a server that is gone."""
    if hasattr(client, "set_retry_policies"):
        from pyspark.sql.connect.client.retries import DefaultPolicy

        client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
    else:  # Spark 3.5 has no public way
        client._retry_policy["max_retries"] = RETRIES
