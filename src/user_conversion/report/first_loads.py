"""When users first loaded the app, by days since they registered.

Users who registered lately cannot have loaded it weeks after. So each day has its own
denominator: the users whom the logs show through that day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from user_conversion import datasets
from user_conversion.engines import Engine
from user_conversion.results import ConversionResult, Figures
from user_conversion.weeks import start_of_day, time_zone

# Days after the registration that are told apart: four weeks.
HORIZON = 28
DAY_IN_MICROSECONDS = 86_400_000_000


@dataclass(frozen=True)
class FirstLoadDay:
    """One of the 24-hour days after registering, the first being day 0.

    `observed` users are seen through it; `loaded` of them first loaded the app on it, and
    `loaded_by_then` on it or before.
    """

    day: int
    observed: int
    loaded: int
    loaded_by_then: int

    @property
    def figures(self) -> Figures:
        """First loads on the day, of the users seen through it."""
        return Figures(self.observed, self.loaded)

    @property
    def figures_by_then(self) -> Figures:
        """First loads until the end of the day, of the users seen through it."""
        return Figures(self.observed, self.loaded_by_then)


@dataclass(frozen=True)
class FirstLoads:
    """When users first loaded the app; `later` than the days listed, or not yet at all."""

    days: tuple[FirstLoadDay, ...]
    later: int
    not_yet: int


def read_first_loads(engine: Engine, result: ConversionResult, output: Path) -> FirstLoads:
    """Count the users of the `user_conversion` dataset, for an engine that speaks DuckDB's SQL."""
    if result.observed_through is None:
        return FirstLoads((), 0, 0)
    users = datasets.user_conversion()
    columns = {name: users.columns[name] for name in ("registered_at", "first_loaded_at")}
    engine.read_parquet("first_loads", columns, users.files(output))
    end = start_of_day(result.observed_through + timedelta(days=1), time_zone(result.timezone))
    rows = engine.rows(f"""
        SELECT
            CASE WHEN loaded >= {HORIZON} THEN {HORIZON} ELSE loaded END AS day,
            least(observed, {HORIZON}) AS days_observed,
            count(*) AS users
        FROM (
            SELECT
                {_days_since_registration("first_loaded_at")} AS loaded,
                {_days_since_registration(f"TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'")} AS observed
            FROM first_loads
        )
        GROUP BY ALL
    """)
    return first_loads(rows)


def _days_since_registration(instant: str) -> str:
    return f"(epoch_us({instant}) - epoch_us(registered_at)) // {DAY_IN_MICROSECONDS}"


def first_loads(rows: Sequence[dict[str, Any]]) -> FirstLoads:
    """The distribution from counts of `users` by `day` of the first load and `days_observed`."""

    def users(through: int, *days: int) -> int:
        return sum(
            row["users"]
            for row in rows
            if row["days_observed"] > through and (not days or row["day"] in days)
        )

    longest = max((row["days_observed"] for row in rows), default=0)
    return FirstLoads(
        tuple(
            FirstLoadDay(day, users(day), users(day, day), users(day, *range(day + 1)))
            for day in range(longest)
        ),
        later=sum(row["users"] for row in rows if row["day"] is not None and row["day"] >= longest),
        not_yet=sum(row["users"] for row in rows if row["day"] is None),
    )
