"""What Python code calls: `run`, and the `Answer` that it returns."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from user_conversion.answer.figures import Figures, Interval
from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.jobs.run import run_jobs
from user_conversion.outputs import render, sentences, words
from user_conversion.outputs.csv_json import WEEK_COLUMNS, week_rows
from user_conversion.places.footers import require_columns
from user_conversion.places.frames import Frame
from user_conversion.places.output import published_files
from user_conversion.rules import datasets
from user_conversion.rules.log_format import LogFormat, attributes_of, id_type
from user_conversion.settings import Settings


@dataclass(frozen=True, repr=False)
class Answer:
    """The answer of a run. Rates are percent; `record` is what `run.json` has.

    `weeks` and `users()` are tables that Polars, pandas and DuckDB read. `result` has everything
    else: segments, cohorts, gaps, counts of lines.
    """

    record: RunRecord
    output: str

    @property
    def result(self) -> ConversionResult:
        """All figures, as typed objects."""
        return self.record.conversion

    @property
    def total_registered(self) -> int:
        """Registered users."""
        return self.result.total_registered

    @property
    def total_converted(self) -> int:
        """Registered users who converted."""
        return self.result.total_converted

    @property
    def conversion_rate(self) -> float | None:
        """The rate over all registrations; None without any."""
        return self.result.conversion_rate

    @property
    def interval(self) -> Interval | None:
        """The 95 % interval of that rate."""
        return self.result.interval

    @property
    def complete(self) -> Figures:
        """The figures over complete weeks, which no later event changes."""
        return self.result.complete

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what a person would want to know."""
        return self.record.notes

    @property
    def weeks(self) -> Frame:
        """One row per registration week, in order; columns as in `report --format csv`."""
        rows = (row.values() for row in week_rows(self.result))
        return Frame.of_rows(WEEK_COLUMNS, map(list, rows))

    def users(self) -> Frame:
        """One row per registered user: the dataset `user_conversion` as it is now."""
        split = self.record.jobs.split
        read_as = split.parameters.log_format if split else LogFormat().recorded
        dataset = datasets.user_conversion(attributes_of(read_as.fields), id_type(read_as.ids))
        with published_files(self.output, dataset) as files:
            if files:
                require_columns(dataset.name, dataset.columns, files)
            return Frame.of_parquet(dataset.columns | {"registration_week": "string"}, files)

    def page(self) -> str:
        """The page as HTML, which `report` writes."""
        return render(self.record, "html")

    def as_json(self) -> dict[str, Any]:
        """The object that `--format json` prints."""
        return self.result.as_json()

    def __repr__(self) -> str:
        result = self.result
        text = f"{sentences.headline(result)} ({words.users(result.complete)} in complete weeks)"
        return f"<Answer: {words.ordinary_spaces(text)}; {sentences.context(result)}>"

    def _repr_html_(self) -> str:
        """The headline and the table of weeks, for notebooks."""
        from user_conversion.outputs.page.page import summary

        return summary(self.result)


Options = ParamSpec("Options")
Returned = TypeVar("Returned")


def _takes_options(
    settings: Callable[Options, Settings],
) -> Callable[[Callable[[Settings], Returned]], Callable[Options, Returned]]:
    """Give a function of `Settings` the parameters of their constructor."""

    def decorate(function: Callable[[Settings], Returned]) -> Callable[Options, Returned]:
        @functools.wraps(function)
        def called(*args: Options.args, **options: Options.kwargs) -> Returned:
            return function(settings(*args, **options))

        called.__signature__ = inspect.signature(settings)  # type: ignore[attr-defined]
        return called

    return decorate


@_takes_options(Settings)
def run(settings: Settings) -> Answer:
    """Run both jobs, as the command `run` does with the same options, and return the answer.

    The page is not written. Raises `SettingsError` for an option that cannot be used, before
    anything is read, and `UserConversionError` where the command would end with an error.
    """
    return Answer(run_jobs("run", settings).record, settings.place)
