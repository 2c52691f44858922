"""Channels and device types of any text arrive as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.datasets import read_dataset
from support.engines import EngineUnderTest
from support.logs import app_loaded, registered, write_log

FEW = [
    "invite",
    "direct",
    "",
    "é",
    'quo"ted',
    "back\\slash",
    "tab\t",
    "'; DROP TABLE x",
    "x" * 100_000,
]
MANY = [f"campaign {number}" for number in range(1_200)]


@pytest.mark.parametrize("texts", [FEW, MANY], ids=["few", "many"])
def test_every_text_arrives(
    engine: EngineUnderTest, tmp_path: Path, output: Path, texts: list[str]
) -> None:
    lines = [registered("2020-11-02T06:00:00Z", n, text) for n, text in enumerate(texts)]
    lines += [app_loaded("2020-11-03T06:00:00Z", n, text) for n, text in enumerate(texts)]
    engine.split(output, write_log(tmp_path / "log.json", lines))
    channels = {row.initiator_id: row.channel for row in read_dataset(output, "user_registration")}
    devices = {row.initiator_id: row.device_type for row in read_dataset(output, "app_loaded")}
    assert channels == devices == dict(enumerate(texts))


def test_of_two_loads_at_one_instant_the_first_device_alphabetically_is_used(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    loads = [app_loaded("2020-11-10T06:00:00Z", 1, device) for device in (None, "b", "a", "B")]
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T06:00:00Z", 1, "b"), *loads])
    engine.run(output, log)
    (user,) = read_dataset(output, "user_conversion")
    assert (user.channel, user.device_type) == ("b", "B")
