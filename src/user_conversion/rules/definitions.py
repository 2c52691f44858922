"""The definitions: which registered users count as converted. Each is one value, used everywhere.

The expressions of each definition are in `conversion.CONVERSIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.weeks import DAY, monday_of

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True)
class Definition:
    """One reading of the question.

    A registration week's window is `window_days` long, from its Monday. `clause` completes
    "6.84 % of new users …"; `summary` says what counts, in short; `explanation` in a sentence.
    """

    name: str
    window_days: int
    clause: str
    summary: str
    explanation: str

    def last_day(self, registration_week: str) -> date:
        """The last local day on which a user of a registration week can convert."""
        return monday_of(registration_week) + timedelta(days=self.window_days) - DAY


NEXT_WEEK = Definition(
    name="next-week",
    window_days=14,
    clause="first came back in the week after they registered",
    summary="first load in the calendar week directly after the registration week",
    explanation=(
        "A user is converted if their first load of the app after the registration is in the "
        "calendar week directly after the week of the registration."
    ),
)
SAME_WEEK = Definition(
    name="same-week",
    window_days=7,
    clause="came back within the week they registered",
    summary="first load in the registration week itself",
    explanation=(
        "A user is converted if their first load of the app after the registration is in the same "
        "calendar week as the registration."
    ),
)
ANY_LOAD_NEXT_WEEK = Definition(
    name="any-load-next-week",
    window_days=14,
    clause="used the app in the week after they registered",
    summary="any load in the calendar week directly after the registration week",
    explanation=(
        "A user is converted if they loaded the app at least once in the calendar week directly "
        "after the week of the registration, even if they had been back before."
    ),
)

# The first one is the default.
DEFINITIONS = {each.name: each for each in (NEXT_WEEK, SAME_WEEK, ANY_LOAD_NEXT_WEEK)}


def definition(name: str) -> Definition:
    """The definition of a name. Raises `SettingsError` if there is none."""
    if name not in DEFINITIONS:
        raise SettingsError(f"Unknown definition '{name}': choose one of {', '.join(DEFINITIONS)}.")
    return DEFINITIONS[name]
