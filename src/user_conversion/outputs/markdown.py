"""The figures for a sheet, a program or a chat message; all from `run.json`."""

from __future__ import annotations

import csv
import io
import json

from user_conversion.report import words
from user_conversion.report.stored import StoredRun
from user_conversion.results import ConversionResult, Figures, WeekResult
from user_conversion.statistics import IndependenceTest, describe

CSV_COLUMNS = (
    "registration_week",
    "week_start",
    "total_registered",
    "total_converted",
    "conversion_rate",
    "interval_low",
    "interval_high",
    "complete",
    "small_sample",
)
WEEKS_IN_CHAT = 12


def as_json(run: StoredRun) -> str:
    """The object that the conversion prints with `--format json`, byte for byte."""
    return json.dumps(run.document, indent=2, ensure_ascii=False) + "\n"


def as_csv(run: StoredRun) -> str:
    """One line per registration week under a header line of `CSV_COLUMNS`.

    `week_start` is the Monday; rates and the ends of the 95 % interval are percent;
    `complete` and `small_sample` are true or false.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for week in run.result.weeks:
        document = week.as_json()
        low, high = document["interval"] or (None, None)
        flags = {key: str(document[key]).lower() for key in ("complete", "small_sample")}
        writer.writerow({**document, **flags, "interval_low": low, "interval_high": high})
    return text.getvalue()


def as_markdown(run: StoredRun) -> str:
    """A short message: the headline and a table of the latest weeks."""
    result = run.result
    lines = [f"**Weekly user conversion: {_headline(result)}**", "", *_context(result)]
    if result.weeks:
        lines += ["", "| Week | Starts | Registered | Converted | Rate | 95 % interval | |"]
        lines += ["|---|---|--:|--:|--:|--:|---|", *map(_row, result.weeks[-WEEKS_IN_CHAT:])]
    left_out = result.weeks[:-WEEKS_IN_CHAT]
    if left_out:
        earlier = Figures.pooled(week.figures for week in left_out)
        weeks = words.number_of(len(left_out), "earlier week")
        lines += ["", f"{weeks}: {words.rate(earlier.conversion_rate)}, {words.users(earlier)}."]
    if result.segment_test:
        lines += ["", f"By {result.by}: {describe(IndependenceTest(**result.segment_test))}"]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ") + "\n"


def _headline(result: ConversionResult) -> str:
    if not result.weeks:
        return "no registrations found"
    if not result.complete.total_registered:
        return "no week is complete yet"
    interval = words.percent_interval(result.complete.interval)
    return f"{words.rate(result.complete.conversion_rate)} (95 % interval {interval})"


def _context(result: ConversionResult) -> list[str]:
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    total = f"{words.rate(result.total.conversion_rate)}, {words.users(result.total)}"
    return [
        f"Complete weeks: {words.users(result.complete)}. All registrations: {total}.  ",
        f"Definition `{result.definition}`, weeks in {result.timezone}{through}.",
    ]


def _row(week: WeekResult) -> str:
    figures = week.figures
    notes = [] if week.complete else ["unfinished"]
    notes += ["small sample"] if figures.small_sample else []
    cells = (
        week.registration_week,
        week.as_json()["week_start"],
        words.count(figures.total_registered),
        words.count(figures.total_converted),
        words.rate(figures.conversion_rate),
        words.percent_interval(figures.interval),
        ", ".join(notes),
    )
    return f"| {' | '.join(cells)} |"
