"""Channels and device types: few or many, long or short, usual or seen once, none is lost.

DuckDB keeps texts that it saw in a sample of the log as numbers; nobody may notice.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import command
from support.datasets import read_dataset
from support.logs import app_loaded, registered, write_log

from user_conversion import inputs

FEW = ["invite", "direct", "", "é", 'quo"ted', "back\\slash", "tab\t", "nul\0", "'; DROP TABLE x"]
MANY = [f"campaign {number}" for number in range(1_200)]
LONG = ["x" * 199, "x" * 200, "x" * 200 + "a", "x" * 200 + "b", "x" * 100_000]


@pytest.mark.parametrize("texts", [FEW, MANY, LONG, [*FEW, *LONG], []], ids=len)
@pytest.mark.parametrize("sampled", [0, 1, 3, 2_000])
def test_every_text_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, texts: list[str], sampled: int
) -> None:
    lines = [registered("2020-11-02T06:00:00Z", n, text) for n, text in enumerate(texts)]
    lines += [app_loaded("2020-11-03T06:00:00Z", n, text) for n, text in enumerate(texts)]
    # An offset of minutes is for the second look, which reads texts in another way.
    lines += [registered("2020-11-02T06:00:00+00:15", -1 - n, text) for n, text in enumerate(FEW)]
    lines += [registered("2020-11-02T06:00:00Z", 5_000), "nonsense"]
    beginning = "\n".join(lines[:sampled]).encode()
    monkeypatch.setattr(inputs, "sample", lambda _: beginning)
    log = write_log(tmp_path / "log.json", lines)
    command("events-split", "--input", log, "--output", tmp_path / "out", "--max-rejected", 1)
    found = {
        row.initiator_id: row.channel for row in read_dataset(tmp_path / "out", "user_registration")
    }
    assert found == {
        **dict(enumerate(texts)),
        **{-1 - n: text for n, text in enumerate(FEW)},
        5_000: None,
    }
    devices = {
        row.initiator_id: row.device_type for row in read_dataset(tmp_path / "out", "app_loaded")
    }
    assert devices == dict(enumerate(texts))


@pytest.mark.parametrize(
    "sample", [b"", b'{"device_type":"b"}', b'{"device_type": "a"}{"device_type":"b"}']
)
def test_of_two_loads_at_once_the_first_device_by_the_alphabet_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: bytes
) -> None:
    monkeypatch.setattr(inputs, "sample", lambda _: sample)
    loads = [app_loaded("2020-11-10T06:00:00Z", 1, device) for device in (None, "b", "a", "B")]
    log = write_log(tmp_path / "log.json", [registered("2020-11-02T06:00:00Z", 1, "b"), *loads])
    command("run", "--no-report", "--input", log, "--output", tmp_path / "out")
    (user,) = read_dataset(tmp_path / "out", "user_conversion")
    assert (user.channel, user.device_type) == ("b", "B")


def test_a_sample_has_bytes_from_all_over_the_logs(tmp_path: Path) -> None:
    paths = [write_log(tmp_path / f"{n}.json", [str(n) * 29]) for n in range(3)]
    files = [inputs.InputFile.at(path) for path in [*paths, write_log(tmp_path / "empty", [])]]
    assert inputs.sample(files, pieces=6, size=5) == b"00000\n00000\n11111\n11111\n22222\n22222"
    assert inputs.sample(files, pieces=2, size=100) == b"0" * 29 + b"\n"
    assert inputs.sample([], 6, 5) == b""
