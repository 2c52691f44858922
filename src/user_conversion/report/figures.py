"""What the page shows beyond the stored result: counted from the Parquet outputs with DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from user_conversion import datasets
from user_conversion.datasets import WEEKLY_SUMMARY
from user_conversion.engines import Engine, open_engine
from user_conversion.errors import DatasetError
from user_conversion.ledger import Ledger
from user_conversion.report.first_loads import FirstLoads, read_first_loads
from user_conversion.report.stored import StoredRun
from user_conversion.results import ConversionResult, Figures, Segment
from user_conversion.runs import CONVERSION
from user_conversion.settings import EngineSettings
from user_conversion.statistics import IndependenceTest, independence_test

CHANNEL = "channel"


@dataclass(frozen=True)
class Comparison:
    """The segments of one attribute over complete weeks, and the test of whether they differ."""

    by: str
    segments: tuple[Segment, ...]
    test: IndependenceTest | None


@dataclass(frozen=True)
class ReportFigures:
    """Everything the page shows."""

    run: StoredRun
    result: ConversionResult
    comparisons: tuple[Comparison, ...]
    first_loads: FirstLoads


def read_figures(output: Path) -> ReportFigures:
    """Read an output folder.

    Raises `DatasetError` if there is no conversion or its datasets do not match `run.json`.
    """
    run = StoredRun.load(output)
    with open_engine(EngineSettings("duckdb")) as engine:
        _require_match(engine, run.result, output)
        result = replace(run.result, daily=run.daily)
        comparisons = [_compare_channels(engine, result, output)]
        if result.by not in (None, CHANNEL):
            comparisons.append(_stored_comparison(result))
        return ReportFigures(
            run, result, tuple(comparisons), read_first_loads(engine, result, output)
        )


def _require_match(engine: Engine, result: ConversionResult, output: Path) -> None:
    columns = {"total_registered": "bigint", "total_converted": "bigint"}
    engine.read_parquet("weekly_summary", columns, WEEKLY_SUMMARY.files(output))
    sums = ", ".join(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in columns)
    published = Figures(**engine.rows(f"SELECT {sums} FROM weekly_summary")[0])
    weeks = {week.registration_week for week in result.weeks}
    if published != result.total or WEEKLY_SUMMARY.partitions(output).keys() != weeks:
        raise DatasetError(
            f"The datasets in '{output}' are not those that run.json tells of: run {CONVERSION} "
            "again."
        )


def _compare_channels(engine: Engine, result: ConversionResult, output: Path) -> Comparison:
    """The channels, counted anew if the run did not."""
    ledger = Ledger.load(output)
    if result.by == CHANNEL or (ledger and CHANNEL not in ledger.attributes):
        return _stored_comparison(result)
    users = datasets.user_conversion()
    partitions = users.partitions(output)
    complete = [partitions[week.registration_week] for week in result.weeks if week.complete]
    columns = {name: users.columns[name] for name in (CHANNEL, "converted")}
    files = [file for folder in complete for file in sorted(folder.glob("*.parquet"))]
    engine.read_parquet("complete_users", columns, files)
    rows = engine.rows(
        f"SELECT {CHANNEL} AS name, count(*) AS total_registered, "
        "count(*) FILTER (converted) AS total_converted FROM complete_users GROUP BY name"
    )
    segments = [
        Segment(CHANNEL, row["name"], Figures(row["total_registered"], row["total_converted"]))
        for row in rows
    ]
    segments.sort(key=lambda segment: segment.name)
    counts = [(each.figures.total_converted, each.figures.total_registered) for each in segments]
    return Comparison(CHANNEL, tuple(segments), independence_test(counts))


def _stored_comparison(result: ConversionResult) -> Comparison:
    test = IndependenceTest(**result.segment_test) if result.segment_test else None
    return Comparison(result.by or CHANNEL, result.segments, test)
