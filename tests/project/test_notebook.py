"""The notebook: runs from a copy of its own, and its committed outputs are what comes out.

After a change of its figures: `jupyter execute --inplace notebooks/*.ipynb`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from support.repository import ROOT

NOTEBOOK = ROOT / "notebooks" / "user-registrations-and-app-loaded.ipynb"
COMMITTED = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
CODE = [cell for cell in COMMITTED.cells if cell.cell_type == "code"]
NEEDED_BY_SPARK = {"set-up", "run", "spark"}

# What the notebook is there to show, by the cell that shows it.
KEY_FIGURES = {
    "run": ["10,851 = 7,318 registered + 3,533 app_loaded", "0 rejected"],
    "range": ["7317", "2300"],
    "registered-twice": ["2020-01-10 15:52:39", "2020-01-10 15:52:40"],
    "quality": ["duplicate_registrations=1"],
    "by-device": ["desktop", "2068", "mobile", "1127", "tablet", "338"],
    "ever-loaded": ["2,051 of 7,317 users: 28.03 %"],
    "ever-loaded-by-channel": ["| direct | 18 | 0 | 0.00 % (0.00 to 17.59) |"],
    "weeks": ["2020-04", "2020-05", "unfinished"],
    "headline": ["5.13 % (375 of 7,317 users)", "6.84 % (266 of 3,887 users)", "6.09 to 7.68 %"],
    "channels": ["5.30 %", "10.71 %", "9.04–12.66", "0.00–27.75", "small sample"],
    "channels-test": ["Conversion differs between segments (chi-squared test, p < 0.001)."],
    "channels-hidden": ["4.36 % (3.83 to 4.95)", "6.99 % (5.99 to 8.15)"],
    "by-definition": ["20.47 %", "7.57 %"],
    "by-time-zone": ["| Europe/Berlin | 2020-01-31 | 3 | 5.11 %"],
    "spark": ["DuckDB and Spark agree on every figure: True"],
}


def shown(cell: Any) -> list[str]:
    """What a cell shows; of a picture its texts, as its numbers depend on the library."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(f"{output.name}: {output.text}")
        for kind, content in sorted(output.get("data", {}).items()):
            if kind == "image/svg+xml":
                content = " ".join(re.findall(r">\s*([^<>]*\S)\s*</(?:text|tspan)>", content))
            texts.append(f"{kind}: {content}")
    return texts


@pytest.fixture
def execute(tmp_path: Path) -> Callable[[list[Any]], dict[str, list[str]]]:
    """Runs cells in a copy that has the notebook's neighbours, and says what each shows."""
    (tmp_path / "data-input").symlink_to(ROOT / "data-input")
    folder = tmp_path / "notebooks"
    folder.mkdir()

    def run(cells: list[Any]) -> dict[str, list[str]]:
        copy = nbformat.from_dict({**COMMITTED, "cells": cells})  # type: ignore[no-untyped-call]
        client = NotebookClient(
            copy, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute(env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython")})
        assert not list(folder.iterdir()), "the notebook leaves something behind"
        return {cell.id: shown(cell) for cell in copy.cells if cell.cell_type == "code"}

    return run


def test_the_committed_outputs_are_of_one_clean_run() -> None:
    assert [cell.execution_count for cell in CODE] == list(range(1, len(CODE) + 1))
    outputs = [output for cell in CODE for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "execute_result"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}


def test_the_committed_outputs_name_no_machine() -> None:
    outputs = json.dumps([cell.outputs for cell in CODE])
    assert str(ROOT) not in outputs
    absolute = re.compile(r"""(?:^|[\s"'(=>]|file:/*|\\n)(?:/|[A-Za-z]:\\+)\w[\w.-]*[/\\]""")
    assert absolute.search('"/place/file"')
    assert absolute.search(r'"C:\\place\\file"')
    assert absolute.findall(outputs) == []


@pytest.mark.parametrize("cell", KEY_FIGURES)
def test_the_key_figures_are_shown(cell: str) -> None:
    text = "\n".join(shown(next(each for each in CODE if each.id == cell)))
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert [figure for figure in KEY_FIGURES[cell] if figure not in text] == []


def test_a_fresh_run_shows_the_same(execute: Callable[[list[Any]], dict[str, list[str]]]) -> None:
    cells = [cell for cell in CODE if cell.id != "spark"]
    assert execute(cells) == {cell.id: shown(cell) for cell in cells}


@pytest.mark.long
@pytest.mark.spark
def test_spark_agrees_or_says_what_to_install(
    execute: Callable[[list[Any]], dict[str, list[str]]],
) -> None:
    cells = [cell for cell in CODE if cell.id in NEEDED_BY_SPARK]
    (found,) = execute(cells)["spark"]
    if importlib.util.find_spec("pyspark"):
        assert [found] == shown(cells[-1])
    else:
        assert "pip install 'pyspark>=3.5.2,<5'" in found
