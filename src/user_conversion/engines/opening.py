"""Opens the engine that the settings name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from user_conversion.engines import Engine, engine_description
from user_conversion.settings import Settings


def open_engine(settings: Settings, scratch: Path | None = None) -> Engine:
    """Start the engine of the settings; it keeps temporary files below `scratch`.

    Raises `EngineError` if it is not installed or cannot be reached.
    """
    module, name = engine_description(settings.engine).home.split(":")
    engine: Any = getattr(importlib.import_module(module), name)
    return engine(settings, scratch)  # type: ignore[no-any-return]
