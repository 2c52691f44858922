"""Time zones by their IANA names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import tzdata

from user_conversion.rules.errors import SettingsError

# Names that mean another zone on another machine, and clocks that count leap seconds.
OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
OTHER_CLOCKS = ("posix/", "right/")
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def time_zone(name: str) -> tzinfo:
    """The zone of an IANA name, as the package tzdata has it. Raises `SettingsError` for none.

    The machine's own zones can be older than those of DuckDB, which reads local times. UTC needs no
    file of zones: an image can have overwritten it.
    """
    if name in ("UTC", "Etc/UTC"):
        return UTC
    if name not in OF_THE_MACHINE and not name.startswith(OTHER_CLOCKS):
        with suppress(KeyError, ValueError, OSError):
            return _zone(name)
    raise SettingsError(
        f"Unknown time zone '{name}'{_hint(name)} Use an IANA name such as Europe/Berlin."
    )


@cache
def _zone(name: str) -> tzinfo:
    known = ZoneInfo(name)
    file = Path(tzdata.__file__).with_name("zoneinfo") / name
    if not file.is_file():
        return known
    with file.open("rb") as zone:
        return ZoneInfo.from_file(zone, name)


def seconds_ahead(zone: str, local: str, until: datetime) -> str:
    """SQL of the seconds that a zone is ahead of UTC at a local time, which is a column.

    Engines have zones of their own, some of which are older. Of a time that comes twice the first
    is meant; one that is left out counts as if the clock had gone on. It holds from 1970 `until`
    two days after an instant.
    """
    changes = _changes(time_zone(zone), datetime(1969, 12, 30, tzinfo=UTC), until + 2 * DAY)
    (_, first), *later = [(time, int(ahead.total_seconds())) for time, ahead in changes]
    # Most logs are of the last years.
    cases = (f"WHEN {local} >= TIMESTAMP '{time}' THEN {ahead}" for time, ahead in reversed(later))
    return f"CASE {' '.join(cases)} ELSE {first} END" if later else str(first)


def _changes(zone: tzinfo, first: datetime, last: datetime) -> Iterator[tuple[datetime, timedelta]]:
    """From which local time on a zone is how far ahead of UTC, between two instants."""

    def ahead(at: datetime) -> timedelta:
        return at.astimezone(zone).utcoffset() or timedelta()

    yield first.replace(tzinfo=None), ahead(first)
    while first < last:
        before, after = first, first + DAY
        if ahead(before) != ahead(after):
            while after - before > SECOND:
                middle = before + (after - before) // 2
                is_before = ahead(middle) == ahead(before)
                before, after = (middle, after) if is_before else (before, middle)
            after = after.replace(microsecond=0)
            clock = max(ahead(before), ahead(after))
            yield (after + clock).replace(tzinfo=None), ahead(after)
        first += DAY


def _hint(name: str) -> str:
    """What was probably meant."""
    if offset := re.fullmatch(
        r"(?:UTC|GMT)? ?([+-])0?([0-9]|1[0-4])(?::?00)?", name, re.IGNORECASE
    ):
        sign, way = ("-", "ahead of") if offset[1] == "+" else ("+", "behind")
        zone, hours = f"Etc/GMT{sign}{offset[2]}", f"{offset[2]} hour{'s' * (offset[2] != '1')}"
        return f"; did you mean {zone}? It is {hours} {way} UTC: its sign is reversed."
    import difflib

    known = {zone.lower(): zone for zone in available_timezones() - OF_THE_MACHINE}
    cities = {zone.rsplit("/", 1)[-1].lower(): zone for zone in known.values()}
    wanted = name.lower().replace(" ", "_")
    near = [cities[wanted]] if wanted in cities else []
    for names in () if near else (known, cities):
        near += [names[match] for match in difflib.get_close_matches(wanted, names, 3)]
    return f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else "."
