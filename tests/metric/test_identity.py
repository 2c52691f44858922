"""`[identity]`: events that say which user an id became, and what counts for whom then."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from support import oracle
from support.command import command
from support.datasets import ID, TEXT, row_counts
from support.engines import EngineUnderTest, engines
from support.logs import write_log
from support.oracle import APP_LOADED, REGISTERED, Event
from support.strategies import RUN_STARTED, definitions, zones

from user_conversion.jobs.conversion_rate import job
from user_conversion.jobs.conversion_rate.identities import Identities
from user_conversion.jobs.conversion_rate.state import State
from user_conversion.rules.errors import SettingsError
from user_conversion.rules.presets import log_format

Id = int | str
IDENTIFIED = "identified"
SEGMENT: dict[str, Any] = {
    "preset": "segment",
    "events": {"registered": "Signed Up", "app_loaded": "Opened"},
    "fields": {"event": ["event", "type"], "initiator_id": ["userId", "anonymousId"]},
    "identity": {
        "events": ["identify", "alias"],
        "anonymous_id": ["previousId", "anonymousId"],
        "user_id": "userId",
    },
}
DEFAULT: dict[str, Any] = {"identity": {"events": IDENTIFIED, "anonymous_id": "initiator_id"}}


def call(kind: str, day: int, **fields: object) -> str:
    name = {} if kind in ("identify", "alias", "page") else {"event": kind, "type": "track"}
    time = f"2020-11-{day:02}T06:00:00Z"
    return json.dumps({"type": kind, "timestamp": time} | name | fields)


def converted(output: Path, ids: pa.DataType = TEXT) -> dict[Id, bool]:
    """Whether each registered user converted."""
    return {row[0]: row[-2] for row in row_counts(output, "user_conversion", ids=ids)}


# ---------------------------------------------------------------- by hand


def test_loads_and_registrations_of_an_anonymous_id_count_for_the_user(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    log = write_log(
        tmp_path / "log.json",
        [
            # Registers before the login, loads on another device before that knows the user.
            call("Signed Up", 2, anonymousId="phone"),
            call("identify", 2, anonymousId="phone", userId="ann"),
            call("Opened", 10, anonymousId="laptop"),
            call("identify", 11, anonymousId="laptop", userId="ann"),
            # Is known under three ids, one after the other.
            call("Signed Up", 3, anonymousId="x"),
            call("alias", 4, previousId="x", userId="y"),
            call("alias", 5, previousId="y", userId="bob"),
            call("Opened", 12, userId="bob"),
            # The laptop becomes another user's as well: too late.
            call("Signed Up", 3, userId="eve"),
            call("identify", 20, anonymousId="laptop", userId="eve"),
            # Two ids that became each other, and one that became the first of them.
            call("Signed Up", 4, userId="c1"),
            call("Opened", 11, userId="c2"),
            call("alias", 5, previousId="c1", userId="c2"),
            call("alias", 6, previousId="c2", userId="c1"),
            call("alias", 6, previousId="c0", userId="c1"),
            call("alias", 6, previousId="same", userId="same"),
            # No event of the three kinds.
            call("identify", 6, anonymousId="phone"),
            call("page", 6, anonymousId="phone"),
        ],
    )
    answer = engine.run(tmp_path / "output", log, log_format=SEGMENT).as_json()
    assert converted(tmp_path / "output") == {"ann": True, "bob": True, "eve": False, "c1": False}
    assert answer["identities"] == {
        "ids_joined": 4,
        "ids_of_several_users": 1,
        "ids_in_circles": 3,
        "ids_of_themselves": 1,
    }
    assert answer["events"]["identified"] == 9
    assert answer["events"]["lines"] == 18 == 4 + 3 + 9 + 2
    logged = row_counts(tmp_path / "output", "app_loaded", ids=TEXT)
    assert {row[2] for row in logged} == {"laptop", "bob", "c2"}  # as it was logged


def test_people_see_the_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(
        tmp_path / "data-input" / "log.json",
        [
            call("Signed Up", 2, userId="ann"),
            call("Opened", 10, userId="ann"),
            call("identify", 2, anonymousId="phone", userId="ann"),
            call("identify", 3, anonymousId="phone", userId="bob"),
            call("alias", 3, previousId="c1", userId="c2"),
            call("alias", 3, previousId="c2", userId="c1"),
            call("alias", 3, previousId="ann", userId="ann"),
        ],
    )
    (tmp_path / "user-conversion.toml").write_text(
        """
        [log_format]
        preset = "segment"
        [log_format.events]
        registered = "Signed Up"
        app_loaded = "Opened"
        [log_format.fields]
        event = ["event", "type"]
        initiator_id = ["userId", "anonymousId"]
        [log_format.identity]
        events = ["identify", "alias"]
        anonymous_id = ["previousId", "anonymousId"]
        user_id = "userId"
        """
    )
    done = command("run")
    assert done.status == 0
    assert "7 = 1 registered + 1 app_loaded + 0 other + 5 identified + 0 blank" in done.out
    page = (tmp_path / "data-output" / "report.html").read_text()
    for shown in (done.out, page):
        assert "1 id became several users: the first one is used." in shown
        assert "2 ids led in a circle: used as logged." in shown
        assert "1 id became the same id, which has no effect." in shown


@pytest.mark.parametrize("ids", ["text", "integer"])
def test_a_line_that_identifies_has_the_same_verdict_on_every_engine(
    engine: EngineUnderTest, tmp_path: Path, ids: str
) -> None:
    text = ids == "text"
    cases: list[tuple[str, dict[str, Any]]] = [
        ("identified", {"initiator_id": 1, "user_id": 2}),
        ("identified", {"initiator_id": "1", "user_id": "2"}),
        ("identified", {"initiator_id": 1, "user_id": 2, "timestamp": None}),
        ("identified", {"initiator_id": 1, "user_id": 2, "timestamp": 1604298074}),
        ("identified", {"initiator_id": 7, "user_id": 7}),
        ("other", {"initiator_id": 1}),
        ("other", {"initiator_id": None, "user_id": 2, "timestamp": "x"}),
        ("other", {"initiator_id": "", "user_id": 2}),
        ("other", {"initiator_id": 1, "user_id": "null"}),
        ("excluded", {"initiator_id": 1, "user_id": 2, "bot": True}),
        ("invalid_timestamp", {"initiator_id": 1, "user_id": 2, "timestamp": "x"}),
        ("timestamp_out_of_range", {"initiator_id": 1, "user_id": 2, "timestamp": "1960-01-01"}),
        ("invalid_initiator_id", {"initiator_id": 1.5, "user_id": 2}),
        ("invalid_initiator_id", {"initiator_id": 1, "user_id": [2]}),
        ("invalid_initiator_id", {"initiator_id": 1, "user_id": True}),
        ("identified" if text else "invalid_initiator_id", {"initiator_id": "a", "user_id": 2}),
        ("identified" if text else "invalid_initiator_id", {"initiator_id": 2, "user_id": "3.5"}),
    ]
    cases[11][1]["timestamp"] = "1960-01-01T00:00:00Z"
    time = {"timestamp": "2020-11-02T06:00:00Z"}
    lines = [json.dumps({"event": IDENTIFIED} | time | each) for _, each in cases]
    lines += [json.dumps({"event": kind, "initiator_id": 1} | time) for kind in KINDS]
    log = write_log(tmp_path / "log.json", lines)
    written = DEFAULT | {"ids": ids, "exclude": {"bot": True}}
    counts = engine.run(tmp_path / "output", log, log_format=written).as_json()["events"]
    found = counts | counts.pop("rejected_by_reason")
    expected = Counter(verdict for verdict, _ in cases)
    assert {name: found[name] for name in expected} == expected
    assert found["lines"] == len(cases) + 2


KINDS = (REGISTERED, APP_LOADED)


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
@pytest.mark.parametrize("kind", ["csv", "ndjson.gz", "parquet"])
def test_a_table_says_which_id_became_which_user(
    engine: EngineUnderTest, tmp_path: Path, kind: str
) -> None:
    log = write_log(
        tmp_path / "log.json",
        [
            json.dumps({"event": name, "timestamp": time, "initiator_id": user})
            for name, time, user in (
                (REGISTERED, "2020-11-02T06:00:00Z", 1),
                (APP_LOADED, "2020-11-10T06:00:00Z", 2),
                (APP_LOADED, "2020-11-10T06:00:00Z", 3),
            )
        ],
    )
    table = tmp_path / f"identities.{kind}"
    form = {"identity": {"files": "*/identities.*", "anonymous_id": "old", "user_id": "new"}}

    def deliver(rows: Sequence[tuple[int, int]]) -> None:
        old, new = zip(*rows, strict=True)
        if kind == "csv":
            table.write_text("old,new\n" + "".join(f"{a},{b}\n" for a, b in rows))
        elif kind == "parquet":
            pq.write_table(pa.table({"old": old, "new": new}), table)
        else:
            lines = (json.dumps({"old": a, "new": b}) + "\n" for a, b in rows)
            table.write_bytes(gzip.compress("".join(lines).encode()))

    deliver([(9, 8), (7, 6)])
    output = tmp_path / "output"
    assert engine.run(output, log, table, log_format=form).total_converted == 0
    # The table is made anew each night.
    later = RUN_STARTED + timedelta(seconds=1)
    deliver([(2, 1), (9, 8)])
    answer = engine.run(output, log, table, log_format=form, now=later)
    assert converted(output, ID) == {1: True}
    assert answer.identities
    assert answer.identities.ids_joined == 2
    assert answer.events
    assert (answer.events.identified, answer.events.lines) == (2, 5)


def test_without_an_event_that_identifies_the_run_says_so(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    log = write_log(
        tmp_path / "log.json", [call("Signed Up", 2, userId="a"), call("Opened", 2, userId="a")]
    )
    split = engine.split(tmp_path / "output", log, log_format=SEGMENT)
    assert any("None of 2 lines is of the kind identified." in note for note in split.notes)
    assert engine.run(tmp_path / "run", log, log_format=SEGMENT).total_registered == 1


def test_what_cannot_be_identified_is_refused(tmp_path: Path) -> None:
    for identity, reason in (
        ({"user_id": "x"}, "identity needs events or files"),
        ({"events": "x", "user_id": []}, "identity needs events or files"),
        ({"events": "registered"}, "'registered' cannot be the event of both"),
        ({"event": "x"}, r"unknown key 'event' in \[identity\]; did you mean events"),
        ({"events": 5}, r"identity.events: expected text or a list"),
    ):
        with pytest.raises(SettingsError, match=reason):
            log_format({"identity": identity})
    toml = tmp_path / "format.toml"
    toml.write_text('[identity]\nevents = "alias"\n')
    for dbt in ([], ["--dbt", tmp_path / "dbt"]):
        done = command("sql", "--dialect", "duckdb", "--log-format", toml, *dbt)
        assert done.status == 2
        assert "The query does not follow [identity]" in done.err


# ---------------------------------------------------------------- nights


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each run with a state went on from it."""
    found: list[bool] = []

    class Watched(Identities):
        def state(self, state: State | None) -> State | None:
            held = super().state(state)
            found.extend([held is not None] if state else [])
            return held

    monkeypatch.setattr(job, "Identities", Watched)
    return found


@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_a_night_is_merged_unless_it_identifies_what_was_published(
    engine: EngineUnderTest, tmp_path: Path, merges: list[bool]
) -> None:
    first = [call("Signed Up", 2, userId="ann"), call("Opened", 10, anonymousId="old")]
    first += [call("identify", 9, anonymousId="tablet", userId="ann")]
    nights: list[tuple[list[str], bool]] = [
        ([call("Opened", 11, userId="ann")], True),
        ([call("identify", 12, anonymousId="new", userId="ann"), call("Opened", 12)], True),
        ([call("identify", 12, anonymousId="new", userId="ann")], True),
        ([call("Opened", 13, anonymousId="new")], True),
        ([call("identify", 13, anonymousId="old", userId="ann")], False),
        ([call("Opened", 14, anonymousId="old")], True),
        ([call("identify", 8, anonymousId="tablet", userId="bob")], False),
    ]
    write_log(tmp_path / "logs" / "0.json", first)
    engine.run(tmp_path / "output", tmp_path / "logs", log_format=SEGMENT)
    for number, (lines, is_merged) in enumerate(nights, 1):
        write_log(tmp_path / "logs" / f"{number}.json", lines)
        now = RUN_STARTED + timedelta(seconds=number)
        engine.run(tmp_path / "output", tmp_path / "logs", log_format=SEGMENT, now=now)
        assert merges[number - 1 :] == [is_merged], number
    assert converted(tmp_path / "output") == {"ann": True}


@dataclass(frozen=True)
class Identified:
    """An event that says that an id became a user."""

    time: datetime | None
    initiator_id: Id
    user_id: Id


Logged = Event | Identified


def line_of(event: Logged) -> str:
    time = event.time and event.time.isoformat()
    if isinstance(event, Identified):
        found = {"event": IDENTIFIED, "timestamp": time, "user_id": event.user_id}
    else:
        found = {"event": event.kind, "timestamp": time, "channel": event.channel}
        found["device_type"] = event.device_type
    return json.dumps(found | {"initiator_id": event.initiator_id})


def of_users(events: Iterable[Logged], last: datetime) -> tuple[list[Event], dict[str, int]]:
    """The events with the ids of the users that they count for, and what ids need attention.

    Written from the words: an id became the user of its earliest event, of two at the same instant
    the smaller one; it is followed until one that became nobody. If there is none, it stays.
    """
    events = list(events)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    said = sorted(
        (event.time or start, event.user_id, event.initiator_id)
        for event in events
        if isinstance(event, Identified) and (event.time or start) < last
    )
    became: dict[Id, Id] = {}
    for _, user, each in said:
        if each != user:
            became.setdefault(each, user)

    def user_of(each: Id) -> Id | None:
        seen = set()
        while each in became:
            if each in seen:
                return None
            seen.add(each)
            each = became[each]
        return each

    def settled(each: Id) -> Id:
        user = user_of(each)
        return each if user is None else user

    users: dict[Id, set[Id]] = {}
    for _, user, each in said:
        users.setdefault(each, set()).update([settled(user)] if each != user else [])
    return [
        replace(event, initiator_id=settled(event.initiator_id))
        for event in events
        if isinstance(event, Event)
    ], {
        "ids_joined": sum(user_of(each) is not None for each in became),
        "ids_of_several_users": sum(len(each) > 1 for each in users.values()),
        "ids_in_circles": sum(user_of(each) is None for each in became),
        "ids_of_themselves": len({each for _, user, each in said if each == user}),
    }


@st.composite
def logs(draw: st.DrawFn, ids: Sequence[Id]) -> list[Logged]:
    """Events of few users in few weeks, half of which say that one id became another."""
    found: list[Logged] = []
    for _ in range(draw(st.integers(1, 24))):
        hours = draw(st.integers(0, 40)) * 12
        time = datetime(2020, 11, 2, tzinfo=UTC) + timedelta(hours=hours)
        kind = draw(st.sampled_from((REGISTERED, APP_LOADED, IDENTIFIED, IDENTIFIED)))
        each = draw(st.sampled_from(ids))
        if kind == IDENTIFIED:
            at = None if draw(st.integers(0, 4)) == 0 else time
            found.append(Identified(at, each, draw(st.sampled_from(ids))))
        elif kind == REGISTERED:
            found.append(Event(kind, time, each, channel=draw(st.sampled_from(("ad", "mail")))))
        else:
            found.append(Event(kind, time, each, device_type=draw(st.sampled_from(("a", "b")))))
    return found


@pytest.mark.property
@pytest.mark.parametrize("engine", engines(pytest.mark.long), indirect=True)
def test_identities_in_any_order_end_like_a_rebuild_and_the_oracle(
    engine: EngineUnderTest, merges: list[bool]
) -> None:
    @engine.examples(12)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        is_text = data.draw(st.booleans())
        ids: Sequence[Id] = "abcdefgh" if is_text else range(8)
        kind = TEXT if is_text else ID
        form = DEFAULT | {"ids": "text" if is_text else "integer"}
        zone, definition = data.draw(zones()), data.draw(definitions())
        delivered: list[Logged] = [
            Event(REGISTERED, datetime(2020, 11, 3, tzinfo=UTC), ids[0], channel="ad"),
            Event(APP_LOADED, datetime(2020, 11, 3, tzinfo=UTC), ids[0]),
            Identified(datetime(2020, 11, 4, tzinfo=UTC), ids[1], ids[0]),
        ]
        with TemporaryDirectory() as name:
            folder = Path(name)
            output, rebuilt, inputs = (folder / each for each in ("output", "rebuilt", "logs"))
            nights: list[list[Logged]] = []
            for night in range(data.draw(st.integers(2, 4))):
                log = data.draw(logs(ids)) if night else list(delivered)
                # A log with the content of another one is not read.
                is_new = night and log not in nights
                nights.append(log)
                if is_new:
                    delivered += log
                write_log(inputs / f"{night}.json", map(line_of, log))
                options: dict[str, Any] = {"timezone": zone, "definition": definition}
                if data.draw(st.integers(0, 5)) == 0:
                    options["as_of"] = date(2020, 11, 9) + timedelta(data.draw(st.integers(0, 9)))
                note(f"night {night}: {list(map(line_of, log))}, {options}")
                now = RUN_STARTED + timedelta(seconds=night)
                asked = {"log_format": form, "by": "channel", "now": now} | options
                answer = engine.run(output, inputs, **asked).as_json()
                shutil.rmtree(rebuilt, ignore_errors=True)
                again = engine.run(rebuilt, inputs, **asked).as_json()
                assert {**answer, "restated": []} == again
                for dataset in ("user_registration", "app_loaded", *METRIC):
                    mine, theirs = (row_counts(o, dataset, ids=kind) for o in (output, rebuilt))
                    assert mine == theirs, dataset
                assert_expected(output, answer, delivered, options, kind)

    check()
    assert {*merges} == {True, False}


METRIC = ("user_conversion", "weekly_summary")


def assert_expected(
    output: Path,
    answer: dict[str, Any],
    delivered: Sequence[Logged],
    options: dict[str, Any],
    ids: pa.DataType,
) -> None:
    as_of = options.get("as_of")
    zone = oracle.ZoneInfo(options["timezone"])
    last = datetime(9999, 1, 1, tzinfo=UTC)
    if as_of:
        day = as_of + timedelta(days=1)
        last = datetime(day.year, day.month, day.day, tzinfo=zone)
    events, counts = of_users(delivered, last)
    expected = oracle.measure(events, **options, run_started=RUN_STARTED)
    found = row_counts(output, "user_conversion", ids=ids)
    assert sorted((row[0], row[1], row[3], row[-3], row[-2]) for row in found) == [
        (
            user.initiator_id,
            user.registered_at,
            user.first_loaded_at,
            user.loads_before_registration,
            user.converted,
        )
        for user in expected.users
    ]
    assert answer["identities"] == counts
    for week, wanted in zip(answer["weeks"], expected.weeks, strict=True):
        assert week["total_registered"] == wanted.total_registered
        assert week["total_converted"] == wanted.total_converted
        assert week["complete"] == wanted.complete
