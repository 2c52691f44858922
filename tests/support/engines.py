"""Engines under test: the registry's, each with both jobs as one call."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import settings

from support.command import Finished, command
from support.strategies import RUN_STARTED
from user_conversion.answer.results import ConversionResult
from user_conversion.engines import ENGINES, Engine, EngineDescription, EngineOptions, open_engine
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.places.publication import OutputFolder
from user_conversion.settings import Settings

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
# How many times fewer examples a property test gets: a Spark job takes as long as 50 of DuckDB's.
COSTS = {"duckdb": 1, "spark": 50}


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
        with OutputFolder(output, "test") as folder, self._lazily_open(folder) as engine:
            return split_events(settings, folder, engine, now)

    def convert(self, output: Path, **more: Any) -> ConversionResult:
        with OutputFolder(output, "test") as folder, self._lazily_open(folder) as engine:
            return compute_conversion(self.settings(output, **more), folder, engine)

    def run(
        self, output: Path, *inputs: Path, now: datetime = RUN_STARTED, **more: Any
    ) -> ConversionResult:
        """Both jobs on one engine, as the command `run` does them."""
        settings = self.settings(output, *inputs, **more)
        with OutputFolder(output, "test") as folder, self.open(folder.scratch) as engine:
            split = split_events(settings, folder, lambda: engine, now)
            just_split = split.is_everything
            return compute_conversion(settings, folder, lambda: engine, just_split=just_split)

    def command(self, *arguments: object) -> Finished:
        return command(*arguments, "--engine", self.name)

    @contextlib.contextmanager
    def _lazily_open(self, folder: OutputFolder) -> Iterator[Callable[[], Engine]]:
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(self.open(folder.scratch))


# For tests in which the engine does not matter, and to prepare what another engine works on.
DUCKDB = EngineUnderTest("duckdb", COSTS["duckdb"])
