"""Synthetic event logs: realistic, reproducible, and with answers known beforehand.

How many users register in which week and channel, and in which week they first load the app, are
quotas from `JANUARY_2020`; moments, ids and devices are random. So the month's published figures
hold for every seed, and a sample of any other size or length keeps its proportions.
"""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import count, pairwise, repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from user_conversion.errors import SettingsError


class Cohort(NamedTuple):
    """The users who registered in one calendar week through one channel."""

    weeks_after: int  # calendar weeks observed after the registration week
    days: int  # days observed of the registration week
    channel: str | None
    users: int
    first_loads: tuple[int, ...]  # users by the week offset of their first load: 0, 1, 2, …
    returned: int  # of those with week offset 0, the users who load again in the next week


# The last week has an invitation drive. Its users have had no next week yet, so that the rates
# over all weeks hide how much better invited users convert.
JANUARY_2020 = (
    Cohort(4, 5, "invite", 240, (64, 26, 11, 6, 3), 11),
    Cohort(4, 5, "direct", 2, (), 0),
    Cohort(4, 5, None, 621, (115, 33, 22, 13, 8), 17),
    Cohort(3, 7, "invite", 425, (114, 46, 15, 6), 20),
    Cohort(3, 7, "direct", 4, (), 0),
    Cohort(3, 7, None, 1049, (195, 55, 33, 16), 29),
    Cohort(2, 7, "invite", 455, (120, 48, 14), 21),
    Cohort(2, 7, "direct", 4, (), 0),
    Cohort(2, 7, None, 1087, (202, 58, 31), 30),
    Cohort(1, 7, "invite", 300, (79, 31), 13),
    Cohort(1, 7, "direct", 5, (), 0),
    Cohort(1, 7, None, 1380, (255, 78), 38),
    Cohort(0, 5, "invite", 739, (178,), 0),
    Cohort(0, 5, "direct", 3, (), 0),
    Cohort(0, 5, None, 1003, (176,), 0),
)

WEEKDAY_ACTIVITY = (1.0, 0.98, 0.96, 0.94, 0.85, 0.45, 0.4)
HOUR_ACTIVITY = (
    *(0.25, 0.2, 0.15, 0.15, 0.2, 0.3, 0.45, 0.65, 0.85, 0.9, 0.9, 0.85),
    *(0.85, 0.95, 1.0, 1.0, 0.95, 0.85, 0.75, 0.65, 0.6, 0.5, 0.4, 0.3),
)
ACTIVITY = tuple(day * hour for day in WEEKDAY_ACTIVITY for hour in HOUR_ACTIVITY)

CAMPAIGNS: tuple[Mapping[str, str], ...] = (
    *repeat({}, 7),
    {"campaign": "new-year"},
    {"campaign": "newsletter"},
    {"campaign": "search"},
)
DEVICES: tuple[Mapping[str, str], ...] = (
    *repeat({"device_type": "desktop"}, 3),
    {"device_type": "desktop", "browser_version": "Chrome 79.0"},
    {"device_type": "desktop", "browser_version": "Firefox 72.0"},
    {"device_type": "desktop", "browser_version": "Safari 13.0"},
    *repeat({"device_type": "mobile"}, 3),
    {"device_type": "tablet"},
)

EPOCH = datetime(1970, 1, 1)
HOUR = 3600
DAY = 24 * HOUR
HOURS_FROM_MONDAY_TO_EPOCH = 3 * 24
RESEND_DELAY = 1
LONGEST_DELAY = 20
ANOTHER_LOAD_SHARE = 0.35


@dataclass(frozen=True)
class SampleParameters:
    """What to generate; the defaults are the published month.

    `days` are whole UTC days from `start`. `duplicate_share` of the users have their registration
    sent twice, `early_load_share` load the app before they register, and for every user there are
    `stranger_share` others who load the app and never register. Raises SettingsError.
    """

    # Every seed gives the month's published figures in UTC, this one in other time zones too.
    seed: int = 52
    users: int = sum(cohort.users for cohort in JANUARY_2020)
    start: date = date(2020, 1, 1)
    days: int = 31
    duplicate_share: float = 0.0002
    early_load_share: float = 0.005
    stranger_share: float = 0.03

    def __post_init__(self) -> None:
        if self.users < 1 or self.days < 1:
            raise SettingsError("A sample needs at least one user and one day.")
        if self.start < EPOCH.date() or self.days > (date.max - self.start).days:
            raise SettingsError("A sample lies between 1970-01-01 and 9999-12-31.")
        for share in (self.duplicate_share, self.early_load_share, self.stranger_share):
            if not 0 <= share <= 1:
                raise SettingsError(f"A share lies between 0 and 1, and {share} does not.")


@dataclass(frozen=True)
class SampleSummary:
    """How many events of each kind were written to `path`."""

    path: Path
    registered: int
    app_loaded: int


class _Week(NamedTuple):
    """The observed part of a calendar week: seconds since the epoch, the end excluded."""

    start: int
    end: int


class _Outcome(NamedTuple):
    """What a user does after registering; no week offset means never to load the app."""

    channel: str | None
    week_offset: int | None
    returned: bool


_Event = tuple[str, int, Mapping[str, str | None]]  # name, second since the epoch, fields


class _Arrival(NamedTuple):
    """One event and the second at which it reaches the log."""

    arrived: int
    event: str
    time: int
    initiator_id: int
    fields: Mapping[str, str | None]


def write_sample(path: Path, parameters: SampleParameters) -> SampleSummary:
    """Write one JSON object a line to `path`, and make its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode = json.JSONEncoder(separators=(",", ":")).encode
    written: Counter[str] = Counter()
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for event in generate_events(parameters):
            lines.write(encode(event) + "\n")
            written[event["event"]] += 1
    return SampleSummary(path, written["registered"], written["app_loaded"])


def generate_events(parameters: SampleParameters) -> Iterator[dict[str, Any]]:
    """One dict per event, in order of arrival; memory holds the events of about a week."""
    # Only random() is promised to give the same numbers in every version of Python.
    rng = random.Random(parameters.seed)
    initiator_ids = _initiator_ids(rng)
    resent = _resent(rng, parameters)
    weeks = _weeks(parameters)
    pending: list[_Arrival] = []
    for number, quotas in enumerate(_quotas(weeks, parameters.users)):
        ahead = weeks[number:]
        for outcome in quotas.elements():
            user = _user(rng, parameters, ahead, outcome, next(resent))
            pending += _arrivals(rng, next(initiator_ids), user)
            if rng.random() < parameters.stranger_share:
                stranger = [("app_loaded", _moment(rng, *ahead[0]), _pick(rng, DEVICES))]
                pending += _arrivals(rng, next(initiator_ids), stranger)
        pending.sort(key=attrgetter("arrived"))
        due = bisect_left(pending, ahead[0].end, key=attrgetter("arrived"))
        yield from map(_as_json, pending[:due])
        del pending[:due]
    yield from map(_as_json, pending)


def _weeks(parameters: SampleParameters) -> list[_Week]:
    first_day = (parameters.start - EPOCH.date()).days
    end_day = first_day + parameters.days
    mondays = [day for day in range(first_day + 1, end_day) if (day + 3) % 7 == 0]
    bounds = pairwise([first_day, *mondays, end_day])
    return [_Week(start * DAY, end * DAY) for start, end in bounds]


def _quotas(weeks: list[_Week], users: int) -> list[Counter[_Outcome]]:
    """For each week, how many users have which outcome; all together they are `users`."""
    weights = [list(_weights(week, len(weeks) - 1 - number)) for number, week in enumerate(weeks)]
    total = sum(weight for of_week in weights for _, weight in of_week)
    # Rounding the running total, not each quota, keeps the sum exact.
    running = Fraction(0)
    quotas: list[Counter[_Outcome]] = []
    for of_week in weights:
        quotas.append(Counter())
        for outcome, weight in of_week:
            before, running = running, running + weight
            quotas[-1][outcome] = running * users // total - before * users // total
    return quotas


def _weights(week: _Week, weeks_after: int) -> Iterator[tuple[_Outcome, Fraction]]:
    """The published month's users by outcome, in proportion to the days of this week."""
    days = (week.end - week.start) // DAY
    published = min(weeks_after, max(cohort.weeks_after for cohort in JANUARY_2020))
    for cohort in JANUARY_2020:
        if cohort.weeks_after == published:
            for outcome, users in _outcomes(cohort):
                yield outcome, Fraction(users * days, cohort.days)


def _outcomes(cohort: Cohort) -> Iterator[tuple[_Outcome, int]]:
    yield _Outcome(cohort.channel, None, False), cohort.users - sum(cohort.first_loads)
    yield _Outcome(cohort.channel, 0, True), cohort.returned
    for week_offset, users in enumerate(cohort.first_loads):
        returned = 0 if week_offset else cohort.returned
        yield _Outcome(cohort.channel, week_offset, False), users - returned


def _user(
    rng: random.Random,
    parameters: SampleParameters,
    ahead: list[_Week],
    outcome: _Outcome,
    resent: bool,
) -> Iterator[_Event]:
    """The events of a user who registers in the first of the weeks `ahead`."""
    this_week = ahead[0]
    registered = _moment(rng, this_week.start, this_week.end - RESEND_DELAY)
    registration = {"channel": outcome.channel, **_pick(rng, CAMPAIGNS)}
    yield "registered", registered, registration
    if resent:
        yield "registered", registered + RESEND_DELAY, registration
    device = _pick(rng, DEVICES)
    if registered > this_week.start and rng.random() < parameters.early_load_share:
        yield "app_loaded", _moment(rng, this_week.start, registered), device
    for loaded in _load_times(rng, ahead, outcome, registered):
        yield "app_loaded", loaded, device


def _load_times(
    rng: random.Random, ahead: list[_Week], outcome: _Outcome, registered: int
) -> list[int]:
    if outcome.week_offset is None:
        return []
    week = ahead[outcome.week_offset]
    haste = 1 if outcome.week_offset else 2
    loads = [_moment(rng, max(registered, week.start), week.end, haste)]
    if outcome.returned:
        loads.append(_moment(rng, *ahead[1]))
    # Who loads in the registration week and does not return must not load in the next one.
    end = ahead[-1].end if outcome.returned or outcome.week_offset else week.end
    while rng.random() < ANOTHER_LOAD_SHARE:
        loads.append(_moment(rng, loads[0], end, haste=1))
    return loads


def _moment(rng: random.Random, start: int, end: int, haste: int = 0) -> int:
    """A second from `start` until before `end`, in a busy hour rather than in a quiet one.

    The greater the `haste`, the nearer to `start`.
    """
    while True:
        share = rng.random()
        for _ in range(haste):
            share *= rng.random()
        moment = start + int(share * (end - start))
        if rng.random() < ACTIVITY[(moment // HOUR + HOURS_FROM_MONDAY_TO_EPOCH) % len(ACTIVITY)]:
            return moment


def _arrivals(
    rng: random.Random, initiator_id: int, events: Iterable[_Event]
) -> Iterator[_Arrival]:
    for event, time, fields in events:
        arrived = time + int(rng.random() * rng.random() * LONGEST_DELAY)
        yield _Arrival(arrived, event, time, initiator_id, fields)


def _as_json(arrival: _Arrival) -> dict[str, Any]:
    time = EPOCH + timedelta(seconds=arrival.time)
    return {
        "event": arrival.event,
        "timestamp": time.isoformat(timespec="milliseconds") + "Z",
        "initiator_id": arrival.initiator_id,
        **arrival.fields,
    }


def _initiator_ids(rng: random.Random) -> Iterator[int]:
    """Distinct ids of 19 digits, in no visible order and too long for a double."""
    smallest, ids = 10**18, 8 * 10**18
    # A step without a common factor with the number of ids meets each of them once.
    step = 4_944_271_909_999_158_787
    first = int(rng.random() * ids)
    return (smallest + (first + number * step) % ids for number in count())


def _resent(rng: random.Random, parameters: SampleParameters) -> Iterator[bool]:
    """For one user after the other whether the registration is sent twice.

    Selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S): as many
    users as wanted, each as likely as any other.
    """
    wanted = round(parameters.duplicate_share * parameters.users)
    for users_left in range(parameters.users, 0, -1):
        chosen = rng.random() * users_left < wanted
        wanted -= chosen
        yield chosen


def _pick(rng: random.Random, options: tuple[Mapping[str, str], ...]) -> Mapping[str, str]:
    return options[int(rng.random() * len(options))]
