"""Synthetic event logs: realistic, reproducible, and with figures known beforehand.

How many users do what comes from the published month, `JANUARY_2020`, whatever the seed; moments,
ids and devices are random. Logs of other sizes and lengths have about the same rates.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate, count, groupby, pairwise
from math import prod
from pathlib import Path
from random import Random
from typing import Annotated

from cyclopts import Parameter

from user_conversion.options import Whole, own
from user_conversion.rules.errors import SettingsError

# For each week the days observed and, by channel, how many users never load the app, load it in the
# weeks 0 and 1 after registration, or first load it in week 0 (and not in week 1), 1, 2, …
# The invited users of the last week have had no week 1 yet, which hides how well invitations work.
JANUARY_2020: tuple[tuple[int, Mapping[str | None, Sequence[int]]], ...] = (
    (5, {"invite": [130, 11, 53, 26, 11, 6, 3], "direct": [2], None: [430, 17, 98, 33, 22, 13, 8]}),
    (7, {"invite": [244, 20, 94, 46, 15, 6], "direct": [4], None: [750, 29, 166, 55, 33, 16]}),
    (7, {"invite": [273, 21, 99, 48, 14], "direct": [4], None: [796, 30, 172, 58, 31]}),
    (7, {"invite": [190, 13, 66, 31], "direct": [5], None: [1047, 38, 217, 78]}),
    (5, {"invite": [561, 0, 178], "direct": [3], None: [827, 0, 176]}),
)
HOURS = "25 20 15 15 20 30 45 65 85 90 90 85 85 95 100 100 95 85 75 65 60 50 40 30"
DAYS = (1.0, 0.98, 0.96, 0.94, 0.85, 0.45, 0.4)
ACTIVITY = [day * int(hour) / 100 for day in DAYS for hour in HOURS.split()]  # from Monday 00:00
Fields = Mapping[str, str | None]
CAMPAIGNS: list[Fields] = [{}] * 7 + [{"campaign": n} for n in ("new-year", "newsletter", "search")]
BROWSERS = [{"browser_version": n} for n in ("Chrome 79.0", "Firefox 72.0", "Safari 13.0")]
DESKTOP, MOBILE, TABLET = ({"device_type": n} for n in ("desktop", "mobile", "tablet"))
DEVICES = [*[DESKTOP] * 3, *(DESKTOP | browser for browser in BROWSERS), *[MOBILE] * 3, TABLET]
DUPLICATES = 0.0002  # registrations sent twice, as a share of users
STRANGERS = 0.03  # others who load the app and never register, as a share of users
EARLY_LOADS = 0.005  # share of users who load the app before they register, too
MORE_LOADS = 0.35  # probability of one more load
LONGEST_DELAY = 20  # seconds until an event reaches the log
EPOCH, DAY = datetime(1970, 1, 1), 24 * 3600  # a Thursday, and in seconds
encode = json.JSONEncoder(separators=(",", ":")).encode

Arrival = tuple[int, str]  # the second in which an event reaches the log, and its line
User = tuple[int, str | None, int, bool]  # week, channel, place in JANUARY_2020, registered twice


@Parameter(name="*")
@dataclass(frozen=True)
class SampleParameters:
    """What to generate, the published month by default; raises SettingsError."""

    # This seed gives the published figures not only in UTC but in other time zones, too.
    seed: Annotated[Whole, own("Another seed, another log of the same kind.", "N")] = 52
    users: Annotated[Whole, own("Registered users.", "N")] = 7317
    start: Annotated[date, own("First day.", "DATE")] = date(2020, 1, 1)
    days: Annotated[Whole, own("Days.", "N")] = 31

    def __post_init__(self) -> None:
        if self.users < 1 or self.days < 1:
            raise SettingsError("A sample needs at least one user and one day.")
        if self.start < EPOCH.date() or self.days > (date.max - self.start).days:
            raise SettingsError("A sample lies between 1970-01-01 and 9999-12-31.")


def write_sample(path: Path, parameters: SampleParameters) -> tuple[int, int]:
    """Write a log and return how many `registered` and `app_loaded` events it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = registered = 0
    with path.open("w", encoding="utf-8", newline="\n") as log:
        for line in generate_lines(parameters):
            log.write(line + "\n")
            lines += 1
            registered += line.startswith('{"event":"registered"')
    return registered, lines - registered


def generate_lines(parameters: SampleParameters) -> Iterator[str]:
    """Yield the lines of a log as they arrive; memory holds those of about a week."""
    # Only random() is promised to give the same numbers in every version of Python.
    rng = Random(parameters.seed)
    # Distinct ids in no visible order: the step and the number of ids have no common factor.
    ids, step = 8 * 10**18, 4_944_271_909_999_158_787
    new_ids = (10**18 + number % ids for number in count(int(rng.random() * ids), step))
    start = (parameters.start - EPOCH.date()).days
    end = start + parameters.days
    bounds = [day * DAY for day in range(start, end + 1) if day in (start, end) or day % 7 == 4]
    pending: list[Arrival] = []
    for week, users in groupby(_users(rng, bounds, parameters.users), key=lambda user: user[0]):
        ahead = bounds[week:]
        for user in users:
            pending += _arrivals(rng, ahead, user, next(new_ids))
            if rng.random() < STRANGERS:
                moment = _moment(rng, ahead[0], ahead[1])
                device = DEVICES[int(10 * rng.random())]
                pending.append(_arrival(rng, "app_loaded", moment, next(new_ids), device))
        pending.sort(key=lambda arrival: arrival[0])
        due = bisect_left(pending, (ahead[1], ""))
        yield from (line for _, line in pending[:due])
        del pending[:due]
    yield from (line for _, line in pending)


def _users(rng: Random, bounds: list[int], users: int) -> Iterator[User]:
    """Yield `users` users week by week, in the proportions of the published month."""
    kinds = [
        (week, channel, place, published * (end - start) / (days * DAY))
        for week, (start, end) in enumerate(pairwise(bounds))
        for days, channels in [JANUARY_2020[max(week - len(bounds) + 1, -len(JANUARY_2020))]]
        for channel, row in channels.items()
        for place, published in enumerate(row)
    ]
    # Rounding the running total, not each share, keeps the sum exact.
    totals = list(accumulate(share for *_, share in kinds))
    edges = [0, *(round(total * users / totals[-1]) for total in totals)]
    duplicates = round(DUPLICATES * users)
    for (week, channel, place, _), (start, end) in zip(kinds, pairwise(edges), strict=True):
        for number in range(start, end):
            # Selection sampling: exactly as many as wanted, each user equally likely.
            twice = rng.random() * (users - number) < duplicates
            duplicates -= twice
            yield week, channel, place, twice


def _arrivals(rng: Random, ahead: list[int], user: User, initiator_id: int) -> Iterator[Arrival]:
    """Yield the events of a user who registers in the first of the weeks `ahead`."""
    _, channel, place, twice = user
    registered = _moment(rng, ahead[0], ahead[1] - 1)
    fields = {"channel": channel, **CAMPAIGNS[int(10 * rng.random())]}
    for moment in range(registered, registered + 1 + twice):
        yield _arrival(rng, "registered", moment, initiator_id, fields)
    device = DEVICES[int(10 * rng.random())]
    if registered > ahead[0] and rng.random() < EARLY_LOADS:
        yield _arrival(rng, "app_loaded", _moment(rng, ahead[0], registered), initiator_id, device)
    if place == 0:
        return
    week = max(0, place - 2)
    loads = [_moment(rng, max(registered, ahead[week]), ahead[week + 1], 1 if week else 2)]
    if place == 1:
        loads.append(_moment(rng, ahead[1], ahead[2]))
    # Place 2 is for users who do not load the app in week 1.
    end = ahead[1] if place == 2 else ahead[-1]
    while rng.random() < MORE_LOADS:
        loads.append(_moment(rng, loads[0], end, 1))
    yield from (_arrival(rng, "app_loaded", moment, initiator_id, device) for moment in loads)


def _moment(rng: Random, start: int, end: int, haste: int = 0) -> int:
    """Return a second before `end`, likely in a busy hour; with more haste, nearer to `start`."""
    while True:
        moment = start + int(prod(rng.random() for _ in range(1 + haste)) * (end - start))
        if rng.random() < ACTIVITY[(moment // 3600 + 3 * 24) % len(ACTIVITY)]:
            return moment


def _arrival(rng: Random, event: str, moment: int, initiator_id: int, fields: Fields) -> Arrival:
    time = (EPOCH + timedelta(seconds=moment)).isoformat(timespec="milliseconds") + "Z"
    line = encode({"event": event, "timestamp": time, "initiator_id": initiator_id, **fields})
    return moment + int(rng.random() * rng.random() * LONGEST_DELAY), line
