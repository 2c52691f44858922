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

from user_conversion.errors import SettingsError
from user_conversion.sample import SampleParameters, generate_events, write_sample

DATASET = Path(__file__).parents[1] / "data-input" / "dataset.json"
COMPLETE_WEEKS = ["2020-01", "2020-02", "2020-03"]

Event = dict[str, Any]


@dataclass
class User:
    registered: datetime
    channel: str | None
    loads: list[datetime] = field(default_factory=list)

    def offsets(self, zone: tzinfo = UTC) -> list[int]:
        """Calendar weeks from the registration to each load at or after it."""
        start = monday(self.registered, zone)
        loads = sorted(load for load in self.loads if load >= self.registered)
        return [(monday(load, zone) - start).days // 7 for load in loads]

    def week(self) -> str:
        iso = self.registered.isocalendar()
        return f"{iso.year}-{iso.week:02}"


def monday(instant: datetime, zone: tzinfo) -> date:
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


def first_load_offsets(users: Iterable[User], zone: tzinfo = UTC) -> Counter[int]:
    return Counter(user.offsets(zone)[0] for user in users if user.offsets(zone))


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return [json.loads(line) for line in DATASET.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def users(events: list[Event]) -> dict[int, User]:
    return users_of(events)


def assert_published_figures(events: list[Event]) -> None:
    assert Counter(event["event"] for event in events)["registered"] == 7318
    users = list(users_of(events).values())
    assert len(users) == 7317

    offsets = first_load_offsets(users)
    assert offsets.total() == 2051
    assert (offsets[0], offsets[1]) == (1498, 375)
    assert sum(1 in user.offsets() for user in users) == 554
    assert Counter(user.channel for user in users) == {"invite": 2159, "direct": 18, None: 5140}
    loaded = Counter(user.channel for user in users if user.offsets())
    assert loaded == {"invite": 761, None: 1290}


def test_the_committed_sample_has_the_published_figures(events: list[Event]) -> None:
    assert_published_figures(events)


@pytest.mark.parametrize("seed", [0, 7])
def test_every_seed_has_the_published_figures(seed: int) -> None:
    assert_published_figures(list(generate_events(SampleParameters(seed=seed))))


def test_the_complete_weeks_show_what_all_weeks_hide(users: dict[int, User]) -> None:
    def rate(of: Iterable[User]) -> tuple[int, int, float]:
        chosen = list(of)
        converted = first_load_offsets(chosen)[1]
        return len(chosen), converted, round(100 * converted / len(chosen), 2)

    complete = [user for user in users.values() if user.week() in COMPLETE_WEEKS]
    assert rate(complete) == (3887, 266, 6.84)
    assert rate(user for user in complete if user.channel == "invite") == (1120, 120, 10.71)
    assert rate(user for user in complete if user.channel is None) == (2757, 146, 5.3)
    assert rate(user for user in complete if user.channel == "direct") == (10, 0, 0.0)
    assert rate(user for user in users.values() if user.channel == "invite") == (2159, 151, 6.99)
    assert rate(user for user in users.values() if user.channel is None) == (5140, 224, 4.36)


@pytest.mark.parametrize(("zone", "converted"), [("America/Los_Angeles", 379), ("Asia/Tokyo", 377)])
def test_other_time_zones_have_the_published_figures(
    users: dict[int, User], zone: str, converted: int
) -> None:
    assert first_load_offsets(users.values(), ZoneInfo(zone))[1] == converted


def test_registrations_spread_over_five_weeks_of_which_two_are_not_over(
    events: list[Event], users: dict[int, User]
) -> None:
    assert Counter(user.week() for user in users.values()) == {
        "2020-01": 863,
        "2020-02": 1478,
        "2020-03": 1546,
        "2020-04": 1685,
        "2020-05": 1745,
    }
    days = [time_of(event).date() for event in events]
    assert (min(days), max(days)) == (date(2020, 1, 1), date(2020, 1, 31))


def test_one_registration_is_sent_again_a_second_later(events: list[Event]) -> None:
    times: defaultdict[int, list[datetime]] = defaultdict(list)
    for event in events:
        if event["event"] == "registered":
            times[event["initiator_id"]].append(time_of(event))
    (twice,) = (sorted(sent) for sent in times.values() if len(sent) > 1)
    assert twice[1] - twice[0] == timedelta(seconds=1)


def test_the_events_look_like_a_real_log(events: list[Event], users: dict[int, User]) -> None:
    assert all(10**18 <= event["initiator_id"] < 2**63 for event in events)
    assert all(event["timestamp"].endswith(".000Z") for event in events)
    loads = [event for event in events if event["event"] == "app_loaded"]
    assert {event["device_type"] for event in loads} == {"desktop", "mobile", "tablet"}
    assert any(event["initiator_id"] not in users for event in loads)
    assert any(load < user.registered for user in users.values() for load in user.loads)
    assert any(len(user.offsets()) > 2 for user in users.values())

    offsets = first_load_offsets(users.values())
    assert offsets[1] > offsets[2] > offsets[3] > offsets[4] > 0
    weekends = sum(user.registered.weekday() >= 5 for user in users.values())
    nights = sum(user.registered.hour < 6 for user in users.values())
    assert weekends / len(users) < 0.2
    assert nights / len(users) < 0.15


def test_events_arrive_roughly_in_the_order_of_time(events: list[Event]) -> None:
    times = [time_of(event) for event in events]
    steps = [after - before for before, after in pairwise(times)]
    assert -timedelta(seconds=20) < min(steps) < timedelta(0)


def test_the_committed_sample_is_what_the_defaults_write(tmp_path: Path) -> None:
    summary = write_sample(tmp_path / "made" / "log.json", SampleParameters())
    written = summary.path.read_bytes()
    assert written == DATASET.read_bytes()
    assert len(written) <= 2_000_000
    assert summary.registered + summary.app_loaded == written.count(b"\n")
    assert summary.registered == 7318


def test_another_seed_gives_another_log() -> None:
    one, other = (list(generate_events(SampleParameters(seed=seed, users=50))) for seed in (1, 2))
    assert one == list(generate_events(SampleParameters(seed=1, users=50)))
    assert not {event["initiator_id"] for event in one} & {event["initiator_id"] for event in other}


@pytest.mark.parametrize("number", [1, 2, 10, 999, 7318])
def test_any_number_of_users_can_be_asked_for(number: int) -> None:
    assert len(users_of(generate_events(SampleParameters(users=number)))) == number


def test_more_users_keep_the_proportions() -> None:
    users = users_of(generate_events(SampleParameters(users=10 * 7317))).values()
    offsets = first_load_offsets(users)
    assert (offsets[0], offsets[1], offsets.total()) == (14980, 3750, 20510)
    assert sum(1 in user.offsets() for user in users) == 5540


@pytest.mark.parametrize(
    ("start", "days"),
    [
        (date(2021, 1, 3), 1),
        (date(2020, 12, 28), 7),
        (date(2020, 12, 27), 9),
        (date(2024, 2, 1), 90),
    ],
)
def test_any_period_can_be_asked_for(start: date, days: int) -> None:
    events = list(generate_events(SampleParameters(users=1000, start=start, days=days)))
    assert len(users_of(events)) == 1000
    of_events = {time_of(event).date() for event in events}
    assert of_events == {start + timedelta(days=day) for day in range(days)}


def test_the_shares_can_be_changed() -> None:
    parameters = SampleParameters(
        users=1000, duplicate_share=0.1, stranger_share=0, early_load_share=0
    )
    events = list(generate_events(parameters))
    users = users_of(events)
    assert Counter(event["event"] for event in events)["registered"] == 1100
    assert {event["initiator_id"] for event in events} == set(users)
    assert all(load >= user.registered for user in users.values() for load in user.loads)


@pytest.mark.parametrize(
    "wrong",
    [
        {"users": 0},
        {"days": 0},
        {"days": 4_000_000},
        {"start": date(1969, 12, 31)},
        {"duplicate_share": -0.1},
        {"stranger_share": 1.5},
        {"early_load_share": float("nan")},
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        SampleParameters(**wrong)
