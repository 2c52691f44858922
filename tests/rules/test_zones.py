"""How far a zone is ahead of UTC, in SQL for engines whose zones may be older."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from user_conversion.rules.zones import seconds_ahead, time_zone

UNTIL = datetime(2026, 11, 29, tzinfo=UTC)
FIRST = datetime(1970, 1, 2)
ZONES = st.timezone_keys(allow_prefix=False).filter(lambda key: key not in ("Factory", "localtime"))


@settings(max_examples=15)
@given(ZONES, st.lists(st.datetimes(FIRST, datetime(2026, 11, 28)), min_size=1, max_size=50))
@example("Pacific/Apia", [datetime(2011, 12, 30, 12)])
@example("Africa/Monrovia", [datetime(1972, 1, 7, 0, 20)])
def test_it_is_what_python_says(zone: str, times: list[datetime]) -> None:
    """At random times, and on both sides of each of the changes of the zone."""
    known = time_zone(zone)
    noons = [FIRST + timedelta(days=n, hours=12) for n in range(366 * 56)]
    ahead = [known.utcoffset(noon) for noon in noons]
    changes = [n for n in range(1, len(noons)) if ahead[n] != ahead[n - 1]]
    times = [
        *times,
        *(noons[n] + timedelta(minutes=30 * m) for n in changes for m in range(-50, 3)),
    ]
    sql = seconds_ahead(zone, "local", UNTIL)
    found = duckdb.execute(f"SELECT {sql} FROM (SELECT unnest(?) AS local)", [times]).fetchall()
    expected = [(known.utcoffset(time) or timedelta()).total_seconds() for time in times]
    assert [seconds for (seconds,) in found] == expected
