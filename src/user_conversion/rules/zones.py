"""Time zones by their IANA names."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import tzdata

from user_conversion.rules.errors import SettingsError

# Names that mean another zone on another machine, and clocks that count leap seconds.
OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
OTHER_CLOCKS = ("posix/", "right/")


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
