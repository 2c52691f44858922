"""The definitions: which registered users count as converted. Each is one value, used everywhere.

The expressions of each definition are in `conversion.CONVERSIONS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.weeks import DAY, WEEK, first_day_of, start_of_day

if TYPE_CHECKING:
    from datetime import date, tzinfo


@dataclass(frozen=True)
class Definition:
    """One reading of the question.

    A registration week's window is `window_days` long, from its first day. `clause` completes
    "6.84 % of new users …"; `summary` says what counts, in short; `explanation` in a sentence.
    `hours` are those after the registration from which and before which a load counts, where
    calendar weeks do not decide.
    """

    name: str
    window_days: int
    clause: str
    summary: str
    explanation: str
    hours: tuple[int, int] | None = None

    def last_day(self, registration_week: str, zone: tzinfo) -> date:
        """The last local day on which a user of a registration week can convert."""
        first = first_day_of(registration_week)
        if not self.hours:
            return first + timedelta(days=self.window_days) - DAY
        # Where clocks are set forward in between, this is a day later.
        end = start_of_day(first + WEEK, zone) + timedelta(hours=self.hours[1])
        return (end - datetime.resolution).astimezone(zone).date()


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
WITHIN_HOURS = (24, 7 * 24)
WITHIN_7_DAYS = Definition(
    name="within-7-days",
    window_days=14,
    clause="first came back 1 to 7 days after they registered",
    summary="first load 24 to 168 hours after the registration",
    explanation=(
        "A user is converted if their first load of the app after the registration is at least 24 "
        "hours and less than 168 hours (7 times 24) after it."
    ),
    hours=WITHIN_HOURS,
)

# The first one is the default.
ALL = (NEXT_WEEK, SAME_WEEK, ANY_LOAD_NEXT_WEEK, WITHIN_7_DAYS)
DEFINITIONS = {each.name: each for each in ALL}


def definition(name: str) -> Definition:
    """The definition of a name. Raises `SettingsError` if there is none."""
    if name not in DEFINITIONS:
        raise SettingsError(f"Unknown definition '{name}': choose one of {', '.join(DEFINITIONS)}.")
    return DEFINITIONS[name]
