"""Engines under test: the registry's, each with both jobs as one call."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings

from support.command import Finished, command
from support.strategies import RUN_STARTED
from user_conversion.answer.results import ConversionResult
from user_conversion.engines import ENGINES, Engine, EngineDescription, EngineOptions, open_engine
from user_conversion.jobs.events_split.job import SplitResult
from user_conversion.jobs.run import run_jobs
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.settings import Settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
# How many times fewer examples a property test gets: a Spark job takes as long as 50 of DuckDB's.
COSTS = {"duckdb": 1, "spark": 50}


def engines(*marks: pytest.MarkDecorator) -> list[ParameterSet]:
    """Every engine by name, for the fixture `engine`. All but DuckDB, the default engine, have the
    mark of their name and these.
    """
    return [
        pytest.param(name, marks=() if name == "duckdb" else (getattr(pytest.mark, name), *marks))
        for name in ENGINES
    ]


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine by name, with both jobs as one call each and the clock of the run in hand.

    `cost` says how many times fewer examples a property test gets.
    """

    name: str
    cost: int

    @property
    def can(self) -> EngineDescription:
        """What the engine can do."""
        return ENGINES[self.name]

    def open(self, scratch: Path | None = None) -> Engine:
        return open_engine(self.name, EngineOptions(), scratch)

    def examples(self, number: int) -> settings:
        """For a property test with a fixed number of examples, or those of `task fuzz`."""
        number = settings.default.max_examples if PROFILE == "fuzz" else number
        return settings(max_examples=max(3, number // self.cost))

    def settings(self, output: Path, *inputs: Path, **more: Any) -> Settings:
        """Settings for this engine that accept any number of rejected lines."""
        options = {"max_rejected": 1} | more
        return Settings(list(inputs) or "data-input", output, engine=self.name, **options)

    def split(
        self, output: Path, *inputs: Path, now: datetime = RUN_STARTED, **more: Any
    ) -> SplitResult:
        settings = self.settings(output, *inputs, **more)
        split = run_jobs("test", settings, [SPLIT], started=now).split
        assert split
        return split

    def convert(self, output: Path, **more: Any) -> ConversionResult:
        return run_jobs(
            "test", self.settings(output, **more), [CONVERSION], started=RUN_STARTED
        ).record.conversion

    def run(
        self, output: Path, *inputs: Path, now: datetime = RUN_STARTED, **more: Any
    ) -> ConversionResult:
        """Both jobs in one run, as the command `run` does them."""
        settings = self.settings(output, *inputs, **more)
        return run_jobs("test", settings, started=now).record.conversion

    def command(self, *arguments: object) -> Finished:
        return command(*arguments, "--engine", self.name)


# For tests in which the engine does not matter, and to prepare what another engine works on.
DUCKDB = EngineUnderTest("duckdb", COSTS["duckdb"])
