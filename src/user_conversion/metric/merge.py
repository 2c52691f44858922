"""The metric of more events from that of the events before: what a night adds.

The state is `user_conversion` as it was published, and the loads of users without a registration.
A row of it is a small log with the same metric: its registration and at most two of its loads. So
the statements of `conversion.py` over new events and the rows of their users give the new rows. A
full run is the same with an empty state and all events.

Earlier events are read only for a user whose registration turns out to be earlier than known, or
is the first, and who has loads before it: those loads that are no longer before it.
"""

from __future__ import annotations

import ibis
from ibis import ir

# A user without a registration registers after every load.
NEVER = "9999-12-31 00:00:00"


def known_users(users: ir.Table, added_registrations: ir.Table, added_loads: ir.Table) -> ir.Table:
    """The rows of `users` for the users who have added events."""
    added = (events.select("initiator_id") for events in (added_registrations, added_loads))
    return users.semi_join(ibis.union(*added, distinct=True), "initiator_id")


def unregistered_users(counts: ir.Table) -> ir.Table:
    """One row per user without a registration.

    `counts` has rows of the same columns, whose loads add up; a user who registered has 0. Columns:
    initiator_id, loads (events).
    """
    # DuckDB's sum of integers is of another type than Ibis says, so it leaves out the last cast.
    loads = counts.loads.sum().cast("decimal(18, 0)").cast("int64")
    users = counts.group_by("initiator_id").aggregate(loads=loads)
    return users.filter(users.loads > 0)


def loads_before(known: ir.Table, unregistered: ir.Table) -> ir.Table:
    """One row per known user, with or without a registration.

    Columns: initiator_id, known_at (the instant of the registration, null without one), loads
    (events before it).
    """
    return ibis.union(
        known.select(
            "initiator_id", known_at="registered_at", loads=known.loads_before_registration
        ),
        unregistered.select("initiator_id", known_at=ibis.null("timestamp(6)"), loads="loads"),
    )


def with_known_registrations(added_registrations: ir.Table, known: ir.Table) -> ir.Table:
    """One row per added registration, and one per known user: the registration that counted."""
    columns = ("time", "initiator_id", "attributes")
    return ibis.union(
        added_registrations.select(*columns), known.rename(time="registered_at").select(*columns)
    )


def loads_to_read(loads_before: ir.Table, earliest: ir.Table) -> ir.Table:
    """One row per user some of whose loads may not be before the registration any more.

    `earliest` is what `earliest_registrations` returns. Columns: initiator_id, and the instants
    since and until between which these loads are.
    """
    users = loads_before.inner_join(earliest, "initiator_id")
    until = ibis.coalesce(users.known_at, ibis.literal(NEVER).cast("timestamp(6)"))
    moved = users.filter((users.loads > 0) & (users.registered_at < until))
    return moved.select("initiator_id", since="registered_at", until=until)


def days_to_read(loads_to_read: ir.Table) -> ir.Table:
    """One row per UTC day since which loads are read. Columns: since, until (days)."""
    return loads_to_read.group_by(since=loads_to_read.since.date()).aggregate(
        until=loads_to_read.until.date().max()
    )


def loads_again(history: ir.Table, loads_to_read: ir.Table) -> ir.Table:
    """One row per earlier load that was before the registration and is not any more."""
    loads = history.inner_join(loads_to_read, "initiator_id")
    loads = loads.filter((loads.time >= loads.since) & (loads.time < loads.until))
    return loads.select("time", "initiator_id", "device_type")


def with_known_loads(added_loads: ir.Table, known: ir.Table, again: ir.Table) -> ir.Table:
    """One row per added load, per load read again, and per load that a known user's row has.

    The second of those has no device. At the same instant as the first it comes after it.
    """
    columns = ("time", "initiator_id", "device_type")
    first = known.rename(time="first_loaded_at").select(*columns)
    second = known.select(
        "initiator_id", time="next_week_loaded_at", device_type=ibis.null("string")
    )
    loads = ibis.union(*(t.select(*columns) for t in (added_loads, again, first, second)))
    return loads.filter(loads.time.notnull())


def merged_users(users: ir.Table, loads_before: ir.Table, again: ir.Table) -> ir.Table:
    """One row per user of `users`, which is what `registered_users` returns, with all loads.

    `users` has counted the added loads before the registration. To these come the known ones but
    those that were read again.
    """
    gone = again.group_by("initiator_id").aggregate(gone=again.count())
    known = loads_before.select("initiator_id", known=loads_before.loads)
    found = users.left_join(known, "initiator_id").drop("initiator_id_right")
    found = found.left_join(gone, "initiator_id")
    earlier = found.known.fill_null(0) - found.gone.fill_null(0)
    loads = found.loads_before_registration + earlier
    return found.mutate(loads_before_registration=loads).select(*users.columns)


def added_counts(added_loads: ir.Table, unregistered: ir.Table, earliest: ir.Table) -> ir.Table:
    """One row per user without a registration who has added loads: these.

    And one per user of `unregistered` who has a registration now, with the loads taken away.
    """
    without = added_loads.anti_join(earliest, "initiator_id")
    added = without.group_by("initiator_id").aggregate(loads=without.count())
    registered = unregistered.semi_join(earliest, "initiator_id")
    return ibis.union(added, registered.select("initiator_id", loads=-registered.loads))


def changed_weeks(merged: ir.Table, known: ir.Table) -> ir.Table:
    """One row per registration week in which the row of a user came, went or changed."""
    changed = merged.difference(known)
    before = known.semi_join(changed, "initiator_id")
    weeks = (users.select("registration_week") for users in (changed, before))
    return ibis.union(*weeks, distinct=True)


def rewritten_users(merged: ir.Table, stayed: ir.Table, weeks: ir.Table) -> ir.Table:
    """One row per registered user of some registration weeks.

    `stayed` has the state's rows of these weeks.
    """
    return ibis.union(
        merged.semi_join(weeks, "registration_week"), stayed.anti_join(merged, "initiator_id")
    )
