"""When there are events: what tells which days are missing and what was observed."""

from __future__ import annotations

import ibis
from ibis import ir


def daily_events(user_registration: ir.Table, app_loaded: ir.Table) -> ir.Table:
    """One row per UTC day and event name with events. Columns: day, event, events (number)."""
    days = [
        events.group_by(day=events.time.date()).aggregate(
            event=ibis.literal(name), events=events.count()
        )
        for name, events in (("registered", user_registration), ("app_loaded", app_loaded))
    ]
    return ibis.union(*days)


def event_bounds(user_registration: ir.Table, app_loaded: ir.Table) -> ir.Table:
    """One row: earliest and latest, the instants of the first and the last event, if any."""
    events = ibis.union(user_registration.select("time"), app_loaded.select("time"))
    return events.aggregate(earliest=events.time.min(), latest=events.time.max())
