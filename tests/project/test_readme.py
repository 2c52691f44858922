"""What the README shows is what happens."""

from __future__ import annotations

import html
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from support.command import command
from support.logs import write_log
from support.repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
SEGMENT = [
    '{"event":"Signed Up","timestamp":"2020-11-02T07:00:14.000Z","userId":"u-2"}',
    '{"type":"identify","timestamp":"2020-11-02T07:00:14.000Z","userId":"u-2"}',
    '{"event":"Application Opened","timestamp":"2020-11-11T10:13:42.000Z","userId":"u-2"}',
]
OURS = [shlex.split(line)[1:] for line in COMMANDS if line.startswith("user-conversion ")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a clone is, with the sample log in data-input, and a log of Segment's."""
    shutil.copytree(ROOT / "data-input", tmp_path / "data-input")
    write_log(tmp_path / "segment-logs" / "1.json", SEGMENT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_is_of_a_kind_that_is_tested_here() -> None:
    known = ("./task ", "user-conversion ", "pip install .")
    assert COMMANDS
    assert all(line.startswith(known) for line in COMMANDS)


def test_the_tasks_exist() -> None:
    tasks = yaml.safe_load((ROOT / "Taskfile.yml").read_text())["tasks"]
    named = set(re.findall(r"\./task ([\w-]+)(?![\w:-])", README))
    assert {"run", "test"} <= named <= tasks.keys()


def test_the_picture_shows_what_task_run_prints(folder: Path) -> None:
    tasks = yaml.safe_load((ROOT / "Taskfile.yml").read_text())["tasks"]
    assert tasks["run"]["cmd"] == "{{.APP}} run {{.CLI_ARGS}}"
    svg = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', svg):
        rows.setdefault(float(y), []).append((float(x), html.unescape(text)))
    # The picture leaves spaces out where the style changes.
    shown = ["".join("".join(text for _, text in sorted(row)).split()) for row in rows.values()]
    printed = ["".join(line.split()) for line in command("run").out.splitlines()]
    assert shown[shown.index("$user-conversionrun") + 1 :] == printed[:-1]
    assert printed[-1] == "Report:data-output/report.html"
    assert "@font-face" not in svg


def test_the_commands_run_one_after_the_other(folder: Path) -> None:
    assert len(OURS) >= 4
    for arguments in OURS:
        finished = command(*arguments)
        assert finished.status == 0, finished.err
    assert (folder / "my-output" / "report.html").exists()
    assert (folder / "segment-output" / "report.html").exists()


def test_the_definitions_give_the_rates_that_the_readme_names(folder: Path) -> None:
    rates = dict(
        re.findall(r"^\| `([\w-]+)`(?: \(default\))? \| .* \| ([\d.]+ %) \|$", README, re.M)
    )
    assert len(rates) == 4
    for definition, rate in rates.items():
        printed = command("run", "--no-report", "--definition", definition).out
        assert f"Conversion rate: {rate} " in printed
