"""The answer as a short message for a chat, in Markdown."""

from __future__ import annotations

from user_conversion.outputs import sentences, words
from user_conversion.results import ConversionResult, Figures, WeekResult
from user_conversion.run_record import RunRecord

WEEKS_SHOWN = 12


def as_markdown(record: RunRecord) -> str:
    """A short message: the headline and a table of the latest weeks."""
    result = words.conversion(record)
    lines = [f"**Weekly user conversion: {_headline(result)}**", "", *_context(result)]
    if result.weeks:
        lines += ["", "| Week | Starts | Registered | Converted | Rate | 95 % interval | |"]
        lines += ["|---|---|--:|--:|--:|--:|---|", *map(_row, result.weeks[-WEEKS_SHOWN:])]
    left_out = result.weeks[:-WEEKS_SHOWN]
    if left_out:
        earlier = Figures.pooled(week.figures for week in left_out)
        weeks = words.number_of(len(left_out), "earlier week")
        lines += ["", f"{weeks}: {words.rate(earlier.conversion_rate)}, {words.users(earlier)}."]
    if result.segmentation and result.segmentation.test:
        compared = sentences.comparison(result.segmentation)
        lines += ["", f"By {result.segmentation.by}: {compared}"]
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
    cells = (
        week.registration_week,
        week.week_start.isoformat(),
        words.count(figures.total_registered),
        words.count(figures.total_converted),
        words.rate(figures.conversion_rate),
        words.percent_interval(figures.interval),
        words.notes(figures, week),
    )
    return f"| {' | '.join(cells)} |"
