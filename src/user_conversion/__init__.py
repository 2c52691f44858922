"""Raw event logs in, weekly user conversion out.

`run` does what the command does and returns the answer. The metric itself is functions over Ibis
tables, for any backend of Ibis (see `user_conversion.metric.conversion` and
docs/how-to/notebook-and-library.md). All names are imported on first use, so that
`import user_conversion` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from user_conversion.library import Answer, run
    from user_conversion.metric.conversion import (
        cohort_table,
        earliest_registrations,
        registered_users,
        user_conversion,
        weekly_summary,
    )
    from user_conversion.rules.errors import UserConversionError
    from user_conversion.rules.weeks import calendar_rows

__version__ = "0.1.0"

_MODULES = {
    "Answer": "library",
    "UserConversionError": "rules.errors",
    "calendar_rows": "rules.weeks",
    "cohort_table": "metric.conversion",
    "earliest_registrations": "metric.conversion",
    "registered_users": "metric.conversion",
    "run": "library",
    "user_conversion": "metric.conversion",
    "weekly_summary": "metric.conversion",
}
__all__ = [
    "Answer",
    "UserConversionError",
    "__version__",
    "calendar_rows",
    "cohort_table",
    "earliest_registrations",
    "registered_users",
    "run",
    "user_conversion",
    "weekly_summary",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'user_conversion' has no attribute {name!r}")
    return getattr(importlib.import_module(f"user_conversion.{_MODULES[name]}"), name)
