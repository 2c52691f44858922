"""The oracle judged by hand: every expected value was worked out on paper, beside its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import bad_input_table
from support.logs import WORKED_EXAMPLE
from support.oracle import (
    DEFAULT,
    DEFINITIONS,
    REASONS,
    UNDECIDED,
    Cohort,
    Conversion,
    Definition,
    Event,
    Gaps,
    Line,
    LogFormat,
    Totals,
    User,
    classify,
    measure,
    meets,
    read,
    split_lines,
    whole_percent,
)
from support.strategies import (
    BAD_LINES,
    BLANK_LINES,
    OTHER_LINES,
    RUN_STARTED,
    UNDECIDED_LINES,
    Question,
    event_line,
    event_logs,
    log_formats,
    questions,
    styles,
    truncated_lines,
)


def registered(
    time: str, initiator_id: int = 1, channel: str | None = None, *extra: str | None
) -> Event:
    moment = datetime.fromisoformat(time)
    return Event("registered", moment, initiator_id, channel=channel, extra=extra)


def app_loaded(time: str, initiator_id: int = 1, device_type: str | None = None) -> Event:
    return Event("app_loaded", datetime.fromisoformat(time), initiator_id, device_type=device_type)


def only_user(events: Sequence[Event], timezone: str = "UTC") -> User:
    (user,) = measure(events, timezone).users
    return user


def converted_ids(conversion: Conversion) -> set[int]:
    return {user.initiator_id for user in conversion.users if user.converted}


# ---------------------------------------------------------------- lines


def test_documented_lines() -> None:
    now = bad_input_table.run_started()
    for case in bad_input_table.cases():
        line = classify(case.line, now)
        assert line.counted_as == case.counted_as, case
        if event := line.event:
            text = event.channel if event.kind == "registered" else event.device_type
            assert (event.time, event.initiator_id, text) == (
                case.time,
                case.initiator_id,
                case.text,
            )
        else:
            assert (case.time, case.initiator_id, case.text) == (None, None, None)


def test_documented_tables_cover_every_outcome() -> None:
    counted_as = {case.counted_as for case in bad_input_table.cases()}
    assert counted_as == {"registered", "app_loaded", "other", "blank", *REASONS}
    undecided = {classify(line, RUN_STARTED).counted_as for line in bad_input_table.parser_lines()}
    assert undecided == {UNDECIDED}


SHOP = LogFormat(
    events={"registered": ("Signed Up", "it's"), "app_loaded": ("true",)},
    fields={
        "event": (("type",),),
        "timestamp": (("at", 1), ("at.utc",)),
        "initiator_id": (("user", "id"), ("user",)),
        "channel": (("from", "channel"),),
        "device_type": (),
        "plan": (("Plan",),),
    },
    ids="text",
    where={"registered": {("app",): ("shop", "true")}},
    timezone="Europe/Berlin",
    local_numbers=True,
    unnamed=True,
    anonymous=True,
)
BERLIN_11 = datetime(2020, 11, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "counted_as", "event"),
    [
        (
            b'{"type":"it\'s","at":["",1604314800000],"user":"007","app":true,"Plan":[1,{}]}',
            "registered",
            Event("registered", BERLIN_11, "007", extra=("[1,{}]",)),
        ),
        (
            b'{"type":true,"at":[],"at.utc":"2020-11-02 11:00:00","user":{"id":7}}',
            "app_loaded",
            Event("app_loaded", BERLIN_11, "7"),
        ),
        (b'{"type":"it\'s","at":["",7],"app":"Shop"}', "other", None),
        (b'{"user":"a"}', "other", None),
        (b'{"type":true,"at.utc":"2020-11-02 11:00:00","user":""}', "anonymous", None),
        (b'{"type":true,"at.utc":"2020-11-02 11:00:00"}', "anonymous", None),
        (b'{"type":true,"at.utc":"2020-11-02 11:00:00","user":3.5}', "invalid_initiator_id", None),
        (b'{"type":true,"at":{"1":1604314800},"user":"a"}', "missing_timestamp", None),
    ],
)
def test_line_of_another_log_format(line: bytes, counted_as: str, event: Event | None) -> None:
    assert classify(line, RUN_STARTED, SHOP) == Line(counted_as, event)


@pytest.mark.parametrize(
    ("value", "texts", "expected"),
    [
        ("a@shop", ("*@shop", "!=boss@*"), True),
        ("boss@shop", ("*@shop", "!=boss@*"), False),
        ("a@shop.com", ("*@shop",), False),
        (None, ("*",), False),
        (None, ("!=a",), True),
        ("a", ("!= a",), False),
        (7, ("6", "7"), True),
        (True, ("true",), True),
        ("a", (), False),
    ],
)
def test_condition(value: object, texts: tuple[str, ...], expected: bool) -> None:
    assert meets(value, texts) is expected


@pytest.mark.parametrize(
    ("zone", "local", "hour_in_utc"),
    [
        ("Europe/Berlin", "2020-10-25T02:30:00", 0),  # comes twice: the first one
        ("Europe/Berlin", "2020-10-25T03:30:00", 2),
        ("Europe/Berlin", "2020-03-29T02:30:00", 1),  # is skipped: as if clocks had not moved
        ("Europe/Berlin", "2020-03-29T03:30:00", 1),
        ("America/Los_Angeles", "2020-11-01T01:30:00", 8),
    ],
)
def test_time_without_offset_when_clocks_change(zone: str, local: str, hour_in_utc: int) -> None:
    line = b'{"event":"registered","timestamp":"%s","initiator_id":1}' % local.encode()
    event = classify(line, RUN_STARTED, LogFormat(timezone=zone)).event
    assert event
    assert f"{event.time:%Y-%m-%dT%H:%M}" == f"{local[:10]}T{hour_in_utc:02}:30"


def test_split_lines() -> None:
    assert split_lines(b"") == []
    assert split_lines(b"a\r\n\nb\rc\xe2\x80\xa8d") == [b"a\r", b"", b"b\rc\xe2\x80\xa8d"]
    assert split_lines(b"a\n\n") == [b"a", b""]


# ---------------------------------------------------------------- the worked example


@pytest.mark.parametrize(
    ("definition", "who"),
    [("next-week", 2), ("same-week", 1), ("any-load-next-week", 2), ("within-7-days", 1)],
)
def test_worked_example(definition: Definition, who: int) -> None:
    events, counts = read([line.encode() for line in WORKED_EXAMPLE], RUN_STARTED)
    assert counts == {"registered": 3, "app_loaded": 4}
    conversion = measure(events, definition=definition)
    assert converted_ids(conversion) == {who}
    (week,) = conversion.weeks
    assert (week.registration_week, week.week_start) == ("2020-45", date(2020, 11, 2))
    assert (week.total_registered, week.total_converted, week.conversion_rate) == (3, 1, 33)
    assert week.complete
    assert conversion.total == conversion.complete == Totals(3, 1)
    assert [user.week_offset for user in conversion.users] == [0, 1, 2]
    assert conversion.observed_through == date(2020, 11, 16)


def test_worked_example_cohorts_and_gaps() -> None:
    conversion = measure(read([line.encode() for line in WORKED_EXAMPLE], RUN_STARTED)[0])
    # The week of offset 2 ends on Sunday 2020-11-22, after the last event.
    assert conversion.cohorts == (Cohort("2020-45", 3, (1, 1, None), 0),)
    # Seven events on five days are too few to miss any.
    assert conversion.gaps == Gaps((), (), ())


# ---------------------------------------------------------------- users


@pytest.mark.parametrize(
    ("channels", "counted"),
    [
        (["b", "a", None], "a"),
        ([None, "b"], "b"),
        ([None, None], None),
        (["a", ""], ""),
        (["a", "B"], "B"),
        (["é", "z"], "z"),
        (["\U00010000", "\ue000"], "\ue000"),
    ],
)
def test_tie_of_registrations_and_of_loads(channels: list[str | None], counted: str | None) -> None:
    time = "2020-11-02T06:21:14Z"
    assert only_user([registered(time, 1, c) for c in channels]).channel == counted
    loads = [app_loaded(time, 1, c) for c in channels]
    assert only_user([registered(time), *loads]).device_type == counted


def test_tie_of_registrations_falls_to_further_attributes() -> None:
    time = "2020-11-02T06:21:14Z"
    tied = [("b", "a", "a"), ("a", None, "a"), ("a", "x", None), ("a", "x", "y"), (None, "a", "a")]
    user = only_user([registered(time, 1, *values) for values in tied])
    assert (user.channel, user.extra) == ("a", ("x", "y"))


def test_ids_are_exact() -> None:
    events = [registered("2020-11-02T12:00Z", 2**53 + 1), app_loaded("2020-11-10T12:00Z", 2**53)]
    assert converted_ids(measure(events)) == set()


# ---------------------------------------------------------------- weeks, totals, what is observed


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [
        *((0, 3, 0), (1, 3, 33), (2, 3, 67), (3, 3, 100)),
        *((1, 200, 1), (1, 201, 0), (1, 8, 13), (3, 8, 38), (5, 8, 63), (199, 200, 100)),
    ],
)
def test_whole_percent_is_rounded_half_up(part: int, whole: int, percent: int) -> None:
    assert whole_percent(part, whole) == percent


@pytest.mark.parametrize(
    ("definition", "as_of", "complete"),
    [
        ("next-week", "2020-11-14", False),
        ("next-week", "2020-11-15", True),  # Sunday of the following week
        ("any-load-next-week", "2020-11-14", False),
        ("any-load-next-week", "2020-11-15", True),
        ("same-week", "2020-11-07", False),
        ("same-week", "2020-11-08", True),  # Sunday of the same week
        ("within-7-days", "2020-11-14", False),
        ("within-7-days", "2020-11-15", True),  # 7 days after Sunday 24:00
    ],
)
def test_complete_week(definition: Definition, as_of: str, complete: bool) -> None:
    events = [registered("2020-11-03T12:00Z")]
    conversion = measure(events, definition=definition, as_of=date.fromisoformat(as_of))
    assert [week.complete for week in conversion.weeks] == [complete]
    assert conversion.complete == Totals(1 if complete else 0, 0)


def test_seven_days_end_later_where_clocks_are_set_forward() -> None:
    """Sunday 22 March 2020, 24:00 and 168 hours are Monday 30 March, 01:00 in Berlin."""
    events = [registered("2020-03-17T12:00Z")]
    for zone, through, complete in (
        ("UTC", date(2020, 3, 29), True),
        ("Europe/Berlin", date(2020, 3, 29), False),
        ("Europe/Berlin", date(2020, 3, 30), True),
    ):
        (week,) = measure(events, zone, "within-7-days", through).weeks
        assert week.complete == complete, (zone, through)


@pytest.mark.parametrize(
    ("after", "converted"),
    [
        (timedelta(hours=24) - timedelta.resolution, False),
        (timedelta(hours=24), True),
        (timedelta(hours=168) - timedelta.resolution, True),
        (timedelta(hours=168), False),
    ],
)
def test_bounds_of_seven_days(after: timedelta, converted: bool) -> None:
    at = datetime(2020, 11, 3, 12, tzinfo=UTC)
    events = [Event("registered", at, 1), Event("app_loaded", at + after, 1)]
    assert measure(events, definition="within-7-days").users[0].converted == converted


def test_observed_through_is_the_day_before_the_local_day_of_the_latest_event() -> None:
    events = [registered("2020-11-03T12:00Z"), app_loaded("2020-11-16T03:00Z", 7)]
    assert measure(events, "UTC").observed_through == date(2020, 11, 15)
    assert measure(events, "UTC").weeks[0].complete
    assert measure(events, "America/Los_Angeles").observed_through == date(2020, 11, 14)
    assert not measure(events, "America/Los_Angeles").weeks[0].complete


def test_events_after_as_of_are_left_out_and_counted() -> None:
    events = [
        registered("2020-11-03T12:00Z", 1),
        app_loaded("2020-11-09T14:59:59Z", 1),  # still the 9th in Tokyo
        registered("2020-11-03T12:00Z", 2),
        app_loaded("2020-11-09T15:00:00Z", 2),  # the 10th
        registered("2020-11-09T15:00:00Z", 3),
    ]
    conversion = measure(events, "Asia/Tokyo", as_of=date(2020, 11, 9))
    assert conversion.events_after_as_of == 2
    assert conversion.total == Totals(2, 1)
    assert converted_ids(conversion) == {1}
    assert conversion.observed_through == date(2020, 11, 9)


def test_pooled_over_complete_weeks() -> None:
    events = [
        *(registered("2020-11-02T12:00Z", user) for user in (1, 2, 3)),
        *(app_loaded("2020-11-09T12:00Z", user) for user in (1, 2)),
        *(registered("2020-11-10T12:00Z", user) for user in (4, 5)),
        app_loaded("2020-11-22T12:00Z", 4),  # Sunday: the second week is complete, too
        registered("2020-11-16T12:00Z", 6),  # this one is not
    ]
    conversion = measure(events, as_of=date(2020, 11, 22))
    assert [
        (week.registration_week, week.total_registered, week.total_converted, week.conversion_rate)
        for week in conversion.weeks
    ] == [("2020-45", 3, 2, 67), ("2020-46", 2, 1, 50), ("2020-47", 1, 0, 0)]
    assert [week.complete for week in conversion.weeks] == [True, True, False]
    assert (conversion.total, conversion.complete) == (Totals(6, 3), Totals(5, 3))
    # 2020-47 has ended on that Sunday, 2020-48 has not.
    assert conversion.cohorts == (
        Cohort("2020-45", 3, (0, 2), 1),
        Cohort("2020-46", 2, (0, 1), 1),
        Cohort("2020-47", 1, (0, None), 1),
    )


def test_gap_days_are_those_of_utc() -> None:
    """Ten registrations a day but for two; a load at either end."""
    days = [day for day in range(1, 17) if day not in (8, 9)]
    events = [registered(f"2020-11-{day:02}T12:00Z", user) for day in days for user in range(10)]
    events += [app_loaded(f"2020-11-{day:02}T23:30Z") for day in (1, 16)]
    for timezone in ("UTC", "America/Los_Angeles", "Pacific/Kiritimati"):
        found = measure(events, timezone).gaps
        # A Sunday and a Monday; near them two Mondays with 20 and a Sunday with 10 registrations.
        assert found.no_events == found.no_registered == (date(2020, 11, 8), date(2020, 11, 9))
        assert found.no_app_loaded == ()


@pytest.mark.parametrize("as_of", [None, date(2020, 11, 1)])
def test_no_events(as_of: date | None) -> None:
    conversion = measure([], as_of=as_of)
    assert (conversion.users, conversion.weeks, conversion.cohorts) == ((), (), ())
    assert conversion.total == conversion.complete == Totals(0, 0)
    assert conversion.observed_through == as_of


# ---------------------------------------------------------------- the strategies


@pytest.mark.parametrize(
    ("counted_as", "lines"),
    [
        *BAD_LINES.items(),
        ("other", OTHER_LINES),
        ("blank", BLANK_LINES),
        (UNDECIDED, UNDECIDED_LINES),
    ],
)
def test_listed_lines(counted_as: str, lines: tuple[bytes, ...]) -> None:
    found = {line: classify(line, RUN_STARTED).counted_as for line in lines}
    assert found == dict.fromkeys(lines, counted_as)
    assert all(b"\n" not in line for line in lines)


@given(event_logs(max_size=3), styles(), st.just(DEFAULT) | log_formats())
def test_every_style_writes_the_same_event(
    events: tuple[Event, ...], style: int, log_format: LogFormat
) -> None:
    for event in events:
        if log_format.ids == "text":
            event = replace(event, initiator_id=str(event.initiator_id))
        if event.kind == "registered":
            event = replace(event, extra=(None,) * len(log_format.attributes))
        line = event_line(event, style, log_format)
        assert classify(line, RUN_STARTED, log_format).event == event
        assert b"\n" not in line


@given(truncated_lines())
def test_truncated_line_is_no_event(line: bytes) -> None:
    assert classify(line, RUN_STARTED).counted_as in {"blank", "invalid_json"}


@given(questions())
def test_what_must_hold_for_any_log(question: Question) -> None:
    answers = {
        each: measure(question.events, question.timezone, each, question.as_of, RUN_STARTED)
        for each in DEFINITIONS
    }
    assert converted_ids(answers["next-week"]) <= converted_ids(answers["any-load-next-week"])
    assert not converted_ids(answers["next-week"]) & converted_ids(answers["same-week"])
    for answer in answers.values():
        assert answer.total.total_registered == len(answer.users)
        assert answer.total.total_registered == sum(w.total_registered for w in answer.weeks)
        assert answer.total.total_converted == sum(w.total_converted for w in answer.weeks)
        assert answer.total.total_converted == len(converted_ids(answer))
        assert sum(cohort.never for cohort in answer.cohorts) == sum(
            user.first_loaded_at is None for user in answer.users
        )
