"""`run.json` with wrong values: `report` and `check` answer or say what is wrong in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command import command
from support.mutations import MISSING, WRONG, mutated, places
from support.repository import SAMPLE

from user_conversion.jobs.report import last_record
from user_conversion.outputs import WRITERS, render, sentences
from user_conversion.places.place import Folder
from user_conversion.rules.errors import DatasetError


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("record") / "output"
    options = ("--by", "device_type", "--max-rejected", 1)
    done = command("run", "--input", SAMPLE, "--output", output, *options)
    assert done.status == 0, done.err
    return output


@pytest.mark.property
def test_a_mutated_record_ends_in_an_answer_or_a_sentence(published: Path, tmp_path: Path) -> None:
    whole = json.loads((published / "run.json").read_bytes())
    # Of long lists the first and the last entry are enough.
    where = st.sampled_from([*places(whole)])
    refused = 0

    @given(where, st.sampled_from([*WRONG, MISSING, "as text"]))
    def check(place: tuple[Any, ...], value: Any) -> None:
        nonlocal refused
        (tmp_path / "run.json").write_text(json.dumps(mutated(whole, place, value)))
        try:
            record = last_record(Folder(tmp_path))
            for name in WRITERS:
                render(record, name).encode("utf-8")
            sentences.newest_week(record.conversion)
        except DatasetError as error:
            assert "\n" not in str(error)
            assert "run.json" in str(error) or "No conversion" in str(error)
            refused += 1

    check()
    assert refused


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("weeks", 0, "complete"), "yes", "Expected `bool`, got `str` - at `$.jobs"),
        (("weeks", 1, "total_registered"), "7", "Expected `int`, got `str`"),
        (("weeks", 1, "total_converted"), 10**6, "more users converted than registered"),
        (("weeks", 0, "week_start"), "2020-01-06", "week_start is not the first day"),
        (("definition",), "soon", "unknown definition 'soon'"),
        (("daily", "2020-01-07", "registered"), None, "Expected `int`, got `null`"),
        (("events", "lines"), 1, "the counts of events do not add up"),
        (("interval", 0), 101, "Expected `float` <= 100.0"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(
    published: Path, tmp_path: Path, place: tuple[Any, ...], value: Any, sentence: str
) -> None:
    whole = json.loads((published / "run.json").read_bytes())
    result = ("jobs", "conversion-rate-week-after-registration", "result")
    (tmp_path / "run.json").write_text(json.dumps(mutated(whole, (*result, *place), value)))
    for name in ("report", "check"):
        done = command(name, "--output", tmp_path)
        assert (done.status, done.out) == (1, "")
        assert len(done.err.splitlines()) == 1
        assert sentence in done.err
        assert "run conversion-rate-week-after-registration again" in done.err
