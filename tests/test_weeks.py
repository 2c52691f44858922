"""Time zones by their names."""

from __future__ import annotations

import shutil
import zoneinfo
from datetime import UTC
from pathlib import Path

import pytest

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.weeks import time_zone


def test_utc_needs_no_file_of_zones(tmp_path: Path) -> None:
    """Images have overwritten it with another zone."""
    berlin = next(Path(path, "Europe/Berlin") for path in zoneinfo.TZPATH if Path(path).exists())
    shutil.copy(berlin, tmp_path / "UTC")
    zoneinfo.reset_tzpath([tmp_path])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        assert time_zone("UTC") is UTC
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.parametrize("name", ["localtime", "posixrules", "Factory", "right/UTC", "../UTC", ""])
def test_a_zone_that_differs_by_machine_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"Unknown time zone '{name}'"):
        time_zone(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("UTC+2", "did you mean Etc/GMT-2? It is 2 hours ahead of UTC: its sign is reversed."),
        ("GMT-05:00", "did you mean Etc/GMT+5? It is 5 hours behind UTC: its sign is reversed."),
        ("+1", "did you mean Etc/GMT-1? It is 1 hour ahead of UTC: its sign is reversed."),
    ],
)
def test_an_unknown_zone_has_a_hint(name: str, hint: str) -> None:
    with pytest.raises(SettingsError) as error:
        time_zone(name)
    assert str(error.value) == (
        f"Unknown time zone '{name}'; {hint} Use an IANA name such as Europe/Berlin."
    )


def test_an_unknown_zone_is_told_the_nearest_names() -> None:
    with pytest.raises(SettingsError, match=r"'Berlin'; did you mean .*Europe/Berlin.*\?"):
        time_zone("Berlin")
