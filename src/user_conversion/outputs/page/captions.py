"""Sentences of the page: below the figures, and beside each chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from user_conversion.answer.cohorts import FirstLoads
from user_conversion.answer.finality import Gaps
from user_conversion.answer.forecasts import Accuracy
from user_conversion.answer.results import ConversionResult
from user_conversion.answer.statistics import percent
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import sentences, words
from user_conversion.outputs.folding import CohortGrid


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
    text = f"{words.users(result)}, registered in {words.number_of(len(result.weeks), 'week')}."
    if unfinished := sentences.unfinished(result):
        return f"{text} {unfinished} This rate can still rise."
    return text


def unfinished(result: ConversionResult) -> str:
    """How weeks are drawn that are not complete."""
    if all(week.complete for week in result.weeks):
        return "All weeks are complete: no later event can change these figures."
    diamonds = any(week.forecast for week in result.weeks)
    return "Hatched weeks are not complete." + " Diamonds are forecasts." * diamonds


def rejected(result: ConversionResult) -> Iterator[str]:
    """How many lines were rejected, if any."""
    if result.events.rejected:
        lines = words.number_of(result.events.rejected, "line was", "lines were")
        yield f"{lines} rejected; see data quality."


def lines(result: ConversionResult) -> str:
    """How many lines were read."""
    return f"{words.number_of(result.events.lines, 'line')} read; each is counted once."


def charted(weeks: Sequence[WeekResult], most: int) -> str:
    """The weeks before those in the chart, if any."""
    left_out = sentences.earlier(weeks[:-most])
    return f"The chart shows the latest {most:,} weeks. {left_out}" if left_out else ""


def days(gaps: Gaps, by_day: bool) -> str:
    """The gaps in the chart of events."""
    if not gaps:
        return "No days are missing."
    where = "Hatched" if by_day else "Within the hatched weeks"
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
        f"{words.rate(until.share_by_then)} loaded the app within that time."
    )


def later_loads(loads: FirstLoads) -> str:
    """Who is counted on each day, and the users on none of the days shown."""
    later = words.number_of(loads.later, "user")
    not_yet = words.number_of(loads.not_yet, "user")
    return (
        "Each day counts only users who registered early enough to be observed through it. "
        f"Later than the days shown: {later}. Not yet loaded: {not_yet}."
    )


def forecasts(found: Sequence[Accuracy]) -> str:
    """How many of the intervals had the actual rate."""
    weeks, within = sum(each.weeks for each in found), sum(each.within_interval for each in found)
    return (
        "Complete weeks, forecast as of each earlier day from the weeks before them. "
        f"The actual rate was within the interval in {words.count(within)} of "
        f"{words.number_of(weeks, 'forecast')} "
        f"({words.rate(percent(within, weeks))}; 95\N{NO-BREAK SPACE}% are expected)."
    )
