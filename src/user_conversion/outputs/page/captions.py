"""Sentences of the page: below the figures, and beside each chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from user_conversion.finality import MISSING_DAYS, UNFINISHED, Gaps
from user_conversion.outputs import sentences, words
from user_conversion.outputs.folding import CohortGrid
from user_conversion.results import ConversionResult, Figures, FirstLoads, WeekResult


def complete(result: ConversionResult) -> str:
    """The users behind the figure of complete weeks."""
    weeks = sum(week.complete for week in result.weeks)
    if not weeks:
        return f"{sentences.no_rate(result)}: {sentences.can_still_convert(len(result.weeks))}."
    return (
        f"{words.users(result.complete)}, registered in {words.number_of(weeks, 'complete week')}. "
        "No later event can change these figures."
    )


def all_registrations(result: ConversionResult) -> str:
    """The users behind the figure of all registrations."""
    unfinished = sum(week.incomplete_because == UNFINISHED for week in result.weeks)
    missing = sum(week.incomplete_because == MISSING_DAYS for week in result.weeks)
    weeks = words.number_of(len(result.weeks), "week")
    text = f"{words.users(result.total)}, registered in {weeks}."
    if unfinished:
        open_weeks = words.number_of(unfinished, "unfinished week")
        text += f" It includes {open_weeks}, whose users can still convert, so it reads low."
    if missing:
        text += f" In {words.number_of(missing, 'week')} the logs of some days are missing."
    if not unfinished and not missing:
        text += " All of them are complete, so both figures agree."
    return text


def unfinished(result: ConversionResult) -> str:
    """Which weeks are not complete, and why."""
    reasons = {
        UNFINISHED: "unfinished. Their users can still convert.",
        MISSING_DAYS: "incomplete, because the logs of some days are missing.",
    }
    found = []
    for reason, text in reasons.items():
        left = [w.registration_week for w in result.weeks if w.incomplete_because == reason]
        if left:
            verb = "is" if len(left) == 1 else "are"
            found.append(f"{words.week_names(left)} {verb} {text}")
    if not found:
        return "All weeks are complete: no later event can change these figures."
    if any(week.forecast for week in result.weeks):
        found.append("Diamonds with dashed lines are forecasts.")
    return "Hatched: " + " ".join(found)


def rejected(result: ConversionResult) -> Iterator[str]:
    """How many lines were rejected, if any."""
    if result.events and result.events.rejected:
        lines = words.number_of(result.events.rejected, "line was", "lines were")
        yield f"{lines} rejected; see data quality."


def lines(result: ConversionResult) -> str:
    """How many lines were read."""
    if not result.events:
        return "The run has no record of the lines that were read."
    return f"{words.number_of(result.events.lines, 'line')} read; each is counted once."


def charted(results: Sequence[WeekResult], most: int) -> str:
    """The weeks before those in the chart."""
    earlier = results[:-most]
    if not earlier:
        return ""
    figures = Figures.pooled(week.figures for week in earlier)
    return (
        f"The chart shows the latest {most:,} weeks. The {words.number_of(len(earlier), 'week')} "
        f"before them together: {words.rate(figures.conversion_rate)}, {words.users(figures)}."
    )


def days(gaps: Gaps, length: int) -> str:
    """The gaps in the chart of events."""
    if not gaps:
        return "No days are missing."
    where = "Hatched" if length == 1 else "Within the hatched weeks"
    return f"{where}: {' '.join(sentences.gap_sentences(gaps))}"


def cohorts(grid: CohortGrid) -> str:
    """What the cohort table shows."""
    text = "Users by the week of their first load, as a share of those who registered in a week."
    if not grid.more:
        return text
    loads = words.number_of(grid.more, "first load")
    return f"{text} {loads} came after {words.number_of(grid.offsets, 'week')} or more."


def first_loads(loads: FirstLoads) -> str:
    """The share of users who loaded the app within a week, of those observed for that long."""
    if not loads.days:
        return "No user has been observed for a full day yet."
    until = loads.days[:7][-1]
    return (
        f"Of {words.number_of(until.observed, 'user')} observed for at least "
        f"{words.number_of(until.day + 1, 'day')}, "
        f"{words.rate(until.figures_by_then.conversion_rate)} loaded the app within that time."
    )


def later_loads(loads: FirstLoads) -> str:
    """Who is counted on each day, and the users on none of the days shown."""
    later = words.number_of(loads.later, "user")
    not_yet = words.number_of(loads.not_yet, "user")
    return (
        "Each day counts only users who registered early enough to be observed through it. "
        f"Later than the days shown: {later}. Not yet loaded: {not_yet}."
    )
