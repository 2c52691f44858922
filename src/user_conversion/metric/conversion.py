"""The metric, written once: pure functions from Ibis tables to an Ibis table.

No input or output, no engine, no clock. Ibis compiles these expressions to DuckDB SQL and to
Spark SQL (`compiled.py`); a warehouse user can apply them to tables of any Ibis backend.

Timestamps are instants in UTC. Weeks come from the `calendar` table (`weeks.calendar_rows`), so
nothing here depends on an engine's time zone rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import ibis
from ibis import ir

from user_conversion.rules import definitions
from user_conversion.rules.definitions import (
    ANY_LOAD_NEXT_WEEK,
    NEXT_WEEK,
    SAME_WEEK,
    WITHIN_7_DAYS,
    WITHIN_HOURS,
)


class Conversion(NamedTuple):
    """How a definition reads `registered_users`: who converted, and when, if they did."""

    converted: Callable[[ir.Table], ir.BooleanValue]
    converted_at: Callable[[ir.Table], ir.TimestampValue]


# By the name of the definition.
CONVERSIONS = {
    NEXT_WEEK.name: Conversion(
        lambda users: users.week_offset == 1, lambda users: users.first_loaded_at
    ),
    SAME_WEEK.name: Conversion(
        lambda users: users.week_offset == 0, lambda users: users.first_loaded_at
    ),
    ANY_LOAD_NEXT_WEEK.name: Conversion(
        lambda users: users.loaded_next_week, lambda users: users.next_week_loaded_at
    ),
    WITHIN_7_DAYS.name: Conversion(
        lambda users: _hours_later(users, WITHIN_HOURS[0]) & ~_hours_later(users, WITHIN_HOURS[1]),
        lambda users: users.first_loaded_at,
    ),
}
SECONDS_PER_DAY = 86_400


def earliest_registrations(
    user_registration: ir.Table, calendar: ir.Table, attributes: Sequence[str] = ("channel",)
) -> ir.Table:
    """One row per registered user: the earliest `registered` event and its calendar week.

    Columns: initiator_id, the event's attributes, registered_at, registration_week, week_number,
    and the instants next_week_starts_at and next_week_ends_at, the bounds of the week directly
    after. Of two events of a user at the same instant, the one whose attributes come first
    alphabetically is used; no value comes last.
    """
    order = [user_registration.time]
    for attribute in attributes:
        order += [user_registration[attribute].isnull(), user_registration[attribute]]
    place = ibis.row_number().over(group_by=user_registration.initiator_id, order_by=order)
    ranked = user_registration.mutate(place=place)
    earliest = ranked.filter(ranked.place == 0)
    in_week = earliest.join(
        calendar,
        [
            earliest.time.date() == calendar.utc_day,
            earliest.time >= calendar.starts_at,
            earliest.time < calendar.ends_at,
        ],
    )
    return in_week.select(
        "initiator_id",
        *attributes,
        "registration_week",
        "week_number",
        "next_week_ends_at",
        registered_at=in_week.time,
        next_week_starts_at=in_week.ends_at,
    )


def load_history(registrations: ir.Table, app_loaded: ir.Table) -> ir.Table:
    """One row per registered user who has `app_loaded` events at any time.

    Columns: initiator_id; first_load, the earliest load at or after the registration (a struct
    of loaded_at and device_type, null if there is none; at the same instant the device type that
    comes first alphabetically is used, no value comes last); next_week_loaded_at, the earliest
    load in the week directly after; loads_before_registration (events).
    """
    loads = app_loaded.rename(loaded_at="time").inner_join(registrations, "initiator_id")
    load = ibis.struct(
        {
            "loaded_at": loads.loaded_at,
            "without_device": loads.device_type.isnull(),
            "device_type": loads.device_type,
        }
    )
    counts = loads.loaded_at >= loads.registered_at
    is_next_week = (loads.loaded_at >= loads.next_week_starts_at) & (
        loads.loaded_at < loads.next_week_ends_at
    )
    return loads.group_by("initiator_id").aggregate(
        first_load=load.min(where=counts),
        next_week_loaded_at=loads.loaded_at.min(where=is_next_week),
        loads_before_registration=loads.count(where=~counts),
    )


def registered_users(
    registrations: ir.Table,
    app_loaded: ir.Table,
    calendar: ir.Table,
    attributes: Sequence[str] = ("channel",),
) -> ir.Table:
    """One row per registered user, the same under every definition.

    `registrations` is what `earliest_registrations` returns. Columns: initiator_id,
    registered_at, the registration's attributes, first_loaded_at and device_type of the first
    load (null without one), week_offset (whole calendar weeks from the registration week to that
    of the first load), loaded_next_week, next_week_loaded_at (the earliest load in that week),
    loads_before_registration (events), registration_week.
    """
    history = load_history(registrations, app_loaded)
    users = registrations.left_join(history, "initiator_id")
    users = users.mutate(
        first_loaded_at=users.first_load["loaded_at"],
        device_type=users.first_load["device_type"],
    )
    weeks = calendar.select("utc_day", "starts_at", "ends_at", load_week_number="week_number")
    users = users.left_join(
        weeks,
        [
            users.first_loaded_at.date() == weeks.utc_day,
            users.first_loaded_at >= weeks.starts_at,
            users.first_loaded_at < weeks.ends_at,
        ],
    )
    return users.select(
        "initiator_id",
        "registered_at",
        *attributes,
        "first_loaded_at",
        "device_type",
        week_offset=users.load_week_number - users.week_number,
        loaded_next_week=users.next_week_loaded_at.notnull(),
        next_week_loaded_at=users.next_week_loaded_at,
        loads_before_registration=users.loads_before_registration.fill_null(0),
        registration_week=users.registration_week,
    )


def user_conversion(
    users: ir.Table,
    definition: str = NEXT_WEEK.name,
    attributes: Sequence[str] = ("channel",),
) -> ir.Table:
    """One row per registered user, with `converted` under a definition.

    `users` is what `registered_users` returns. Columns as in the `user_conversion` dataset, and
    converted_at (the instant of the conversion, null without one). Raises `SettingsError` for an
    unknown definition.
    """
    reading = CONVERSIONS[definitions.definition(definition).name]
    converted = reading.converted(users).fill_null(False)
    return users.select(
        "initiator_id",
        "registered_at",
        *attributes,
        "first_loaded_at",
        "device_type",
        "week_offset",
        "loaded_next_week",
        "next_week_loaded_at",
        "loads_before_registration",
        converted=converted,
        converted_at=ibis.ifelse(converted, reading.converted_at(users), ibis.null()),
        registration_week=users.registration_week,
    )


def weekly_summary(users: ir.Table) -> ir.Table:
    """One row per registration week in which users registered.

    `users` is what `user_conversion` returns. Columns: registration_week, total_registered,
    total_converted (users), conversion_rate (whole percent, rounded half up in integers).
    """
    weeks = users.group_by("registration_week").aggregate(
        total_registered=users.count(), total_converted=users.count(where=users.converted)
    )
    # Half up: floor of (200 c + n) / 2 n. Without its remainder the division is exact.
    dividend = weeks.total_converted * 200 + weeks.total_registered
    divisor = weeks.total_registered * 2
    rate = (dividend - dividend % divisor) / divisor
    return weeks.mutate(conversion_rate=rate.cast("int64"))


def conversion_days(users: ir.Table, calendar: ir.Table) -> ir.Table:
    """One row per registration week and day on which its users converted.

    `users` is what `user_conversion` returns. Columns: registration_week, day (full days of 24
    hours from the start of the week), conversions (users).
    """
    starts = calendar.select("registration_week", "starts_at").distinct()
    converted = users.filter(users.converted).inner_join(starts, "registration_week")
    days = converted.mutate(day=_full_days(converted.starts_at, converted.converted_at))
    return days.group_by("registration_week", "day").aggregate(conversions=days.count())


def cohort_table(users: ir.Table) -> ir.Table:
    """One row per registration week and week offset of the first load.

    Columns: registration_week, week_offset (null for users who never loaded), users.
    """
    return users.group_by("registration_week", "week_offset").aggregate(users=users.count())


def segment_counts(users: ir.Table, most: int) -> ir.Table:
    """One row per registration week and `value`, a column of `users`.

    The users of all but the `most` frequent values are added up. Columns: registration_week,
    others (whether these are those values together), value (null where there is none, and for
    others), total_registered, total_converted (users).
    """
    counts = users.group_by("registration_week", "value").aggregate(
        total_registered=users.count(), total_converted=users.count(where=users.converted)
    )
    counts = counts.mutate(of_value=counts.total_registered.sum().over(group_by=counts.value))
    order = [counts.of_value.desc(), counts.value.isnull(), counts.value]
    counts = counts.mutate(others=ibis.dense_rank().over(order_by=order) >= most)
    counts = counts.mutate(value=ibis.ifelse(counts.others, ibis.null("string"), counts.value))
    return counts.group_by("registration_week", "others", "value").aggregate(
        total_registered=counts.total_registered.sum(),
        total_converted=counts.total_converted.sum(),
    )


def first_load_days(users: ir.Table, observation: ir.Table, horizon: int) -> ir.Table:
    """One row per registration week, full days until the first load and days of observation.

    `users` is what `user_conversion` returns; `observation` has one row with the instant `until`,
    the end of what was observed. Columns: registration_week, day (full days from the registration
    to the first load, null without one), days_observed (to `until`), both at most `horizon`, and
    users. Days are counted between whole seconds.
    """
    observed = users.cross_join(observation)
    return observed.group_by(
        "registration_week",
        day=_at_most(_full_days(observed.registered_at, observed.first_loaded_at), horizon),
        days_observed=_at_most(_full_days(observed.registered_at, observed.until), horizon),
    ).aggregate(users=observed.count())


def _full_days(start: ir.TimestampColumn, end: ir.TimestampColumn) -> ir.Column:
    # Of whole seconds: engines differ in how they round a difference of others.
    seconds = end.truncate("s").delta(start.truncate("s"), unit="second")
    return (seconds / SECONDS_PER_DAY).floor().cast("int64")


def _hours_later(users: ir.Table, hours: int) -> ir.BooleanValue:
    """Whether the first load is at least so long after the registration."""
    return users.first_loaded_at >= users.registered_at + ibis.interval(hours=hours)


def _at_most(days: ir.IntegerColumn, horizon: int) -> ir.Column:
    return ibis.ifelse(days >= horizon, ibis.literal(horizon, "int64"), days)


def load_quality(users: ir.Table) -> ir.Table:
    """One row per registration week: what the loads of its users say about the logs.

    `users` is what `registered_users` returns. Columns: registration_week,
    loads_before_registration (events), seen_before (users with such a load: they probably
    registered before these logs begin).
    """
    return users.group_by("registration_week").aggregate(
        loads_before_registration=users.loads_before_registration.sum(),
        seen_before=users.count(where=users.loads_before_registration > 0),
    )
