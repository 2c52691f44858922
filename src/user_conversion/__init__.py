"""Raw event logs in, weekly user conversion out.

`run` does what the command does and returns the answer. The metric itself is functions over Ibis
tables, for any backend that Ibis speaks to (see `user_conversion.conversion` and docs/library.md).
All are loaded on first use, so that `import user_conversion` and the command line cost no more
than they need.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "calendar_rows": "weeks",
    "cohort_table": "conversion",
    "earliest_registrations": "conversion",
    "registered_users": "conversion",
    "run": "runs",
    "user_conversion": "conversion",
    "weekly_summary": "conversion",
}
__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'user_conversion' has no attribute {name!r}")
    return getattr(importlib.import_module(f"user_conversion.{_HOMES[name]}"), name)
