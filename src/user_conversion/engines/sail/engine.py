"""Sail as an engine: the code for Spark, on a server of Spark Connect that needs no Java."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from user_conversion.engines.sail.errors import translated
from user_conversion.engines.sail.server import open_session
from user_conversion.engines.spark.engine import SparkEngine
from user_conversion.errors import UserConversionError

if TYPE_CHECKING:
    from user_conversion.settings import Settings


class SailEngine(SparkEngine):
    """See `base.Engine`."""

    name = "sail"
    write_options: Mapping[str, str] = {}

    def open_session(self, settings: Settings) -> tuple[Any, Callable[[], None]]:
        """See `SparkEngine.open_session`."""
        return open_session(settings, self._scratch)

    def translated(self, error: Exception) -> UserConversionError:
        """See `SparkEngine.translated`."""
        return translated(error, self._scratch)

    def versions(self) -> dict[str, str]:
        """See `Engine.versions`."""
        return {"sail": version("pysail")}

    def uri(self, path: Path) -> str:
        """A local path as Sail reads and writes it."""
        return f"file://{quote(str(path.absolute()))}"

    pattern = uri
