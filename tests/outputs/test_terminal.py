"""The tables and sentences of a run in terminals of any width."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from support.command import command_line
from support.logs import app_loaded, registered
from support.outputs import run

# 30 users of three channels in each of the first two weeks, all converted; 20 in the third week,
# which is unfinished. Registrations and loads on every day, so that no days are missing.
CHANNELS = ("ad", "newsletter", "invite")
LOG = [
    line
    for user in range(60)
    for line in (
        registered(f"2020-11-{2 + user % 14:02}T06:00:00Z", user, CHANNELS[user % 3]),
        app_loaded(f"2020-11-{9 + user % 14:02}T06:00:00Z", user),
    )
]
LOG += [registered(f"2020-11-{16 + n % 7}T06:00:00Z", 100 + n, "ad") for n in range(20)]
LOG += [app_loaded(f"2020-11-{2 + n % 7:02}T06:00:00Z", 999) for n in range(30)]
LOG += [app_loaded("2020-11-23T00:00:00Z", 999)]
STYLES = re.compile(r"\x1b\[[0-9;]*m")
COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-9]")


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("terminal") / "output"
    run(output, LOG, "--no-report")
    return output


def in_terminal(output: Path, width: int, **environment: str) -> str:
    """What the conversion by channel prints in a pseudo-terminal of a width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")
    }
    process = subprocess.Popen(
        command_line("conversion-rate", "--output", output, "--by", "channel", "--quiet"),
        env=inherited | {"TERM": "xterm-256color"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    # The end of the process is an error on Linux, an empty text elsewhere.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode().replace("\r\n", "\n")


def rows(shown: str, width: int) -> dict[str, str]:
    """The rows of both tables by their first word; folded lines belong to the row before."""
    found: dict[str, str] = {}
    name = ""
    for line in STYLES.sub("", shown).splitlines():
        assert len(line) <= width, line
        first = line.split(" ")[0]
        if re.fullmatch(r"2020-\d\d", first) or first in CHANNELS:
            name = first
            found[name] = line.removeprefix(name)
        elif name and line.startswith("   "):
            found[name] += line
        else:
            name = ""
    return {name: " ".join(text.split()) for name, text in found.items()}


@pytest.mark.parametrize("width", [30, 40, 50])
def test_narrow_terminal_shows_names_rates_and_marks_whole(output: Path, width: int) -> None:
    shown = in_terminal(output, width)
    assert rows(shown, width) == {
        "2020-45": "100.00 %",
        "2020-46": "100.00 % small sample",
        "2020-47": "0.00 % unfinished, small sample",
        "ad": "100.00 % small sample",
        "newsletter": "100.00 % small sample",
        "invite": "100.00 % small sample",
    }
    sentences = " ".join(STYLES.sub("", shown).split())
    assert "Conversion rate: 75.00 % (60 of 80 users)" in sentences
    assert "Complete weeks only: 100.00 % (60 of 60 users), 95 % interval" in sentences


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, "28 28 100.00 % small sample"),
        (70, "2020-11-09 28 28 100.00 % small sample"),
        (120, "2020-11-09 28 28 100.00 % 87.94–100.00 ████████████████ small sample"),
    ],
)
def test_wide_terminal_shows_more_columns(output: Path, width: int, shown: str) -> None:
    assert rows(in_terminal(output, width), width)["2020-46"] == shown


def test_columns_variable_sets_the_width(output: Path) -> None:
    shown = in_terminal(output, 120, COLUMNS="40")
    assert rows(shown, 40)["2020-46"] == "100.00 % small sample"


def test_colours_are_used_in_a_terminal(output: Path) -> None:
    assert COLOURS.search(in_terminal(output, 80))


def test_no_color_is_respected(output: Path) -> None:
    assert not COLOURS.search(in_terminal(output, 80, NO_COLOR="1"))


def test_dumb_terminal_gets_plain_text_of_its_width(output: Path) -> None:
    shown = in_terminal(output, 40, TERM="dumb")
    assert "\x1b" not in shown
    assert rows(shown, 40)["2020-47"] == "0.00 % unfinished, small sample"
