"""The committed sample has the published figures, counted here without the product's code."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.repository import SAMPLE

from user_conversion.jobs.sample import SampleParameters, generate_lines, write_sample
from user_conversion.rules.errors import SettingsError

Event = dict[str, Any]


@dataclass
class User:
    registered: datetime
    channel: str | None
    loads: list[datetime] = field(default_factory=list)

    def offsets(self, zone: tzinfo = UTC) -> list[int]:
        """Return the calendar weeks from the registration to each load at or after it."""
        start = monday(self.registered, zone)
        loads = sorted(load for load in self.loads if load >= self.registered)
        return [(monday(load, zone) - start).days // 7 for load in loads]


def monday(instant: datetime, zone: tzinfo = UTC) -> date:
    day = instant.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def time_of(event: Event) -> datetime:
    return datetime.fromisoformat(event["timestamp"])


def users_of(events: Iterable[Event]) -> dict[int, User]:
    users: dict[int, User] = {}
    loads: defaultdict[int, list[datetime]] = defaultdict(list)
    for event in sorted(events, key=time_of):
        if event["event"] == "registered":
            users.setdefault(event["initiator_id"], User(time_of(event), event["channel"]))
        else:
            loads[event["initiator_id"]].append(time_of(event))
    for initiator_id, user in users.items():
        user.loads = loads[initiator_id]
    return users


def generated(**parameters: Any) -> list[Event]:
    return [json.loads(line) for line in generate_lines(SampleParameters(**parameters))]


def first_load_offsets(users: Iterable[User], zone: tzinfo = UTC) -> Counter[int]:
    return Counter(user.offsets(zone)[0] for user in users if user.offsets(zone))


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def users(events: list[Event]) -> list[User]:
    return list(users_of(events).values())


def test_the_defaults_write_the_committed_sample(tmp_path: Path) -> None:
    made = tmp_path / "made" / "log.json"
    assert write_sample(made, SampleParameters()) == (7318, 3533)
    assert made.read_bytes() == SAMPLE.read_bytes()
    assert made.stat().st_size < 2_000_000


def test_the_committed_sample_has_the_published_figures(users: list[User]) -> None:
    assert len(users) == 7317
    offsets = first_load_offsets(users)
    assert (offsets.total(), offsets[0], offsets[1]) == (2051, 1498, 375)
    assert sum(1 in user.offsets() for user in users) == 554
    for zone, converted in (("America/Los_Angeles", 379), ("Asia/Tokyo", 377)):
        assert first_load_offsets(users, ZoneInfo(zone))[1] == converted


def test_each_week_has_the_published_figures(users: list[User]) -> None:
    by_week: defaultdict[date, list[User]] = defaultdict(list)
    for user in users:
        by_week[monday(user.registered)].append(user)
    figures = [(len(of_week), first_load_offsets(of_week)[1]) for of_week in by_week.values()]
    assert figures == [(863, 59), (1478, 101), (1546, 106), (1685, 109), (1745, 0)]
    first, last = min(by_week), max(by_week)
    assert (first, last) == (date(2019, 12, 30), date(2020, 1, 27))


@pytest.mark.parametrize(
    ("channel", "complete_weeks", "all_weeks"),
    [
        ("invite", (1120, 120), (2159, 151)),
        ("direct", (10, 0), (18, 0)),
        (None, (2757, 146), (5140, 224)),
    ],
)
def test_the_complete_weeks_show_what_all_weeks_hide(
    users: list[User],
    channel: str | None,
    complete_weeks: tuple[int, int],
    all_weeks: tuple[int, int],
) -> None:
    everyone = [user for user in users if user.channel == channel]
    early = [user for user in everyone if user.registered < datetime(2020, 1, 20, tzinfo=UTC)]
    assert (len(early), first_load_offsets(early)[1]) == complete_weeks
    assert (len(everyone), first_load_offsets(everyone)[1]) == all_weeks


def test_one_registration_is_sent_again_a_second_later(events: list[Event]) -> None:
    times: defaultdict[int, list[datetime]] = defaultdict(list)
    for event in events:
        if event["event"] == "registered":
            times[event["initiator_id"]].append(time_of(event))
    (twice,) = (sorted(sent) for sent in times.values() if len(sent) > 1)
    assert twice[1] - twice[0] == timedelta(seconds=1)


def test_the_events_look_like_a_real_log(events: list[Event], users: list[User]) -> None:
    assert all(10**18 <= event["initiator_id"] < 2**63 for event in events)
    rounded = [int(float(event["initiator_id"])) != event["initiator_id"] for event in events]
    assert sum(rounded) > 0.99 * len(events)
    loads = [event for event in events if event["event"] == "app_loaded"]
    devices = Counter(event["device_type"] for event in loads)
    assert devices == {"desktop": 2068, "mobile": 1127, "tablet": 338}
    assert len(loads) > sum(len(user.loads) for user in users)
    assert any(load < user.registered for user in users for load in user.loads)
    assert sum(user.registered.weekday() >= 5 for user in users) < 0.2 * len(users)
    assert sum(user.registered.hour < 6 for user in users) < 0.15 * len(users)


def test_events_arrive_roughly_in_the_order_of_time(events: list[Event]) -> None:
    steps = [time_of(after) - time_of(before) for before, after in pairwise(events)]
    assert -timedelta(seconds=20) < min(steps) < timedelta(0)


def test_a_seed_always_gives_the_same_log_and_each_seed_another() -> None:
    one, other = (generated(seed=seed, users=50) for seed in (1, 2))
    assert one == generated(seed=1, users=50)
    assert not {event["initiator_id"] for event in one} & {event["initiator_id"] for event in other}


@pytest.mark.parametrize(("seed", "users"), [(7, 7317), (1, 20_000)])
def test_other_seeds_and_sizes_have_about_the_same_rates(seed: int, users: int) -> None:
    events = generated(seed=seed, users=users)
    made = users_of(events)
    offsets = first_load_offsets(made.values())
    assert len(made) == users
    assert offsets[0] / users == pytest.approx(0.2047, abs=0.001)
    assert offsets[1] / users == pytest.approx(0.0513, abs=0.001)
    assert (len(events) - users) / users == pytest.approx(3533 / 7317, abs=0.03)


@pytest.mark.parametrize(
    ("start", "days", "users"),
    [
        (date(2021, 1, 3), 1, 1000),
        (date(2020, 12, 28), 7, 1000),
        (date(2020, 12, 27), 9, 1000),
        (date(2024, 2, 1), 90, 1000),
        (date(2024, 2, 1), 90, 1),
    ],
)
def test_any_period_and_number_of_users_can_be_asked_for(
    start: date, days: int, users: int
) -> None:
    events = generated(users=users, start=start, days=days)
    assert len(users_of(events)) == users
    of_events = {time_of(event).date() for event in events}
    assert of_events <= {start + timedelta(days=day) for day in range(days)}
    assert len(of_events) == days or users == 1


@pytest.mark.parametrize(
    "wrong", [{"users": 0}, {"days": 0}, {"days": 4_000_000}, {"start": date(1969, 12, 31)}]
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        SampleParameters(**wrong)
