"""The recipes of CONTRIBUTING, followed in a copy of the tree for one toy of each kind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.logs import WORKED_EXAMPLE
from support.repository import ROOT

DEFINITION = """
TWO_WEEKS_LATER = Definition(
    name="two-weeks-later",
    window_days=21,
    clause="first came back two weeks after they registered",
    summary="first load in the second calendar week after the registration week",
    explanation="A user is converted if their first load is two calendar weeks later.",
)
"""
PRESET = """
[events]
registered = "sign up"
app_loaded = "open"
[fields]
event = "what"
timestamp = "when"
initiator_id = "who"
[input]
unnamed = true
"""
KIND = '''"""Files of toys: `TOY` on the first line, then records behind an exclamation mark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from user_conversion.inputs.kinds.content import Sample, Wanted


@dataclass(frozen=True)
class Toy:
    """See `content.Kind`."""

    name: str = "toy"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `content.Kind`."""
        _, *lines = path.read_text().splitlines()
        target.write_text("".join(line.removeprefix("!") + "\\n" for line in lines))


def recognise(sample: Sample, wanted: Wanted) -> Toy | None:
    """Whether a file is one of toys."""
    return Toy() if sample.data.startswith(b"TOY\\n") else None
'''
OUTPUT = '''"""The answer in one word."""

from __future__ import annotations

from user_conversion.answer.record import RunRecord


def as_word(record: RunRecord) -> str:
    """Converted and registered users, and whether somebody shouts."""
    result = record.conversion
    return f"{result.total_converted}/{result.total_registered}"
'''


class Tree:
    """A copy of the tree, in which lines are added after others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("src", "scripts"):
            shutil.copytree(ROOT / name, folder / name)
        self.package = folder / "src" / "user_conversion"

    def add(self, file: str, text: str) -> None:
        path = self.package / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def change(self, file: str, before: str, after: str) -> None:
        path = self.package / file
        text = path.read_text()
        assert text.count(before) == 1, (file, before)
        path.write_text(text.replace(before, after))

    def python(self, *words: object, **variables: str) -> str:
        environment = os.environ | {"PYTHONPATH": str(self.folder / "src")} | variables
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def test_one_toy_of_each_kind(tree: Tree) -> None:
    # A definition.
    tree.change(
        "rules/definitions.py", "# The first one is the", DEFINITION + "\n# The first one is the"
    )
    tree.change(
        "rules/definitions.py",
        "ANY_LOAD_NEXT_WEEK, WITHIN_7_DAYS)",
        "ANY_LOAD_NEXT_WEEK, WITHIN_7_DAYS, TWO_WEEKS_LATER)",
    )
    tree.change(
        "metric/conversion.py",
        "CONVERSIONS = {",
        'CONVERSIONS = {\n    "two-weeks-later": Conversion(\n'
        "        lambda users: users.week_offset == 2, lambda users: users.first_loaded_at\n    ),",
    )
    tree.change(
        "metric/warehouse/query.py",
        "CONVERTS = {",
        'CONVERTS = {\n    "two-weeks-later": (False, 14),',
    )
    tree.python("scripts/compile_metric.py")
    # A log format preset, a kind of input file, an output, an option.
    tree.add("rules/log_formats/toy.toml", PRESET)
    tree.add("inputs/kinds/toys.py", KIND)
    tree.change(
        "inputs/kinds/__init__.py",
        "    parquet.recognise,\n",
        "    parquet.recognise,\n    toys.recognise,\n",
    )
    tree.change(
        "inputs/kinds/__init__.py",
        "    prefixed_lines,\n",
        "    prefixed_lines,\n    toys,\n",
    )
    tree.add("outputs/word.py", OUTPUT)
    tree.change(
        "outputs/__init__.py",
        "WRITERS = {",
        'WRITERS = {\n    "word": "user_conversion.outputs.word:as_word",',
    )
    tree.change(
        "settings.py",
        '    verbose: Annotated[bool, option("Show',
        '    shout: Annotated[bool, option("Shout.")] = False\n'
        '    verbose: Annotated[bool, option("Show',
    )
    # An engine: the smallest one, of the tests.
    smallest = (ROOT / "tests" / "engines" / "test_engines.py").read_text()
    smallest = smallest[: smallest.index("\n\ndef test_")]
    tree.add("engines/toy/__init__.py", '"""The toy engine."""\n')
    tree.add(
        "engines/toy/engine.py",
        re.sub(r"^(from support|import pytest).*\n", "", smallest, flags=re.M),
    )
    tree.change(
        "engines/__init__.py",
        "# The first one is the default.\n",
        'TOY = EngineDescription("toy", f"{__name__}.toy.engine:ToyEngine", "duckdb")\n\n',
    )
    tree.change("engines/__init__.py", "(DUCKDB, SPARK)}", "(DUCKDB, SPARK, TOY)}")

    names = {"registered": "sign up", "app_loaded": "open", "event": "what"}
    names |= {"timestamp": "when", "initiator_id": "who"}
    log = "\n!".join(["TOY", *WORKED_EXAMPLE])
    for name, toy in names.items():
        log = log.replace(f'"{name}"', f'"{toy}"')
    (tree.folder / "log").write_text(log + "\n")
    command = ("-m", "user_conversion")
    assert "--shout" in tree.python(*command, "run", "--help")
    tree.python(
        *(
            *command,
            "run",
            "--input",
            "log",
            "--engine",
            "toy",
            "--log-format",
            "toy",
            "--no-report",
        ),
        *("--definition", "two-weeks-later"),
        USER_CONVERSION_SHOUT="true",
    )
    # User 3 registers on 3 November and first loads the app on 17 November.
    assert tree.python(*command, "report", "--format", "word") == "1/3"
    query = tree.python(*command, "sql", "--dialect", "duckdb", "--definition", "two-weeks-later")
    assert "weekly" in query.lower() and "14" in query
