"""What the page says in whole sentences: the headline, the warnings and what each chart shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from user_conversion.report import words
from user_conversion.report.figures import Comparison
from user_conversion.report.first_loads import FirstLoads
from user_conversion.report.folding import CohortGrid
from user_conversion.results import ConversionResult, Figures, Gaps, WeekResult
from user_conversion.statistics import describe


def headline(result: ConversionResult) -> str:
    """The answer in one sentence."""
    if not result.weeks:
        return "No registrations found"
    if not result.complete.total_registered:
        return "Too early to tell: no week is complete yet"
    share = words.rate(result.complete.conversion_rate)
    return f"{share} of new users {words.CONVERTED[result.definition]}"


def complete(result: ConversionResult) -> str:
    """What the figure over complete weeks is about."""
    weeks = sum(week.complete for week in result.weeks)
    if not weeks:
        return "No week is complete yet: the users of every week can still convert."
    return (
        f"{words.users(result.complete)}, registered in {words.number_of(weeks, 'complete week')}. "
        "Nothing can change these figures any more."
    )


def everybody(result: ConversionResult) -> str:
    """What the figure over all registrations is about."""
    unfinished = sum(not week.complete for week in result.weeks)
    weeks = words.number_of(len(result.weeks), "week")
    text = f"{words.users(result.total)}, registered in {weeks}."
    if not unfinished:
        return f"{text} All of them are complete, so both figures agree."
    open_weeks = words.number_of(unfinished, "unfinished week")
    return f"{text} It includes {open_weeks}, whose users can still convert, so it reads low."


def unfinished(result: ConversionResult) -> str:
    """When the unfinished weeks will be known."""
    left = [week.registration_week for week in result.weeks if not week.complete]
    if not left:
        return "All weeks are complete: nothing can change these figures any more."
    named = f"{left[0]} to {left[-1]}" if len(left) > 2 else " and ".join(left)
    verb = "is" if len(left) == 1 else "are"
    return f"Hatched: {named} {verb} unfinished. Their users can still convert."


def charted(results: Sequence[WeekResult], most: int) -> str:
    """What the chart of weeks leaves out."""
    earlier = results[:-most]
    if not earlier:
        return ""
    figures = Figures.pooled(week.figures for week in earlier)
    return (
        f"The chart shows the latest {most:,} weeks. The {words.number_of(len(earlier), 'week')} "
        f"before them together: {words.rate(figures.conversion_rate)}, {words.users(figures)}."
    )


def warnings(result: ConversionResult) -> Iterator[str]:
    """What a reader must know before believing the figures."""
    if not result.weeks:
        yield "Check that the logs hold “registered” events."
    elif result.complete.small_sample and result.complete.total_registered:
        yield "Few users so far: the interval matters more than the rate."
    if result.gaps:
        holes = " ".join(gap_sentences(result.gaps))
        yield f"{holes} A hole in the logs looks like a fall in conversion."
    if result.quality.events_after_as_of:
        events = words.number_of(result.quality.events_after_as_of, "event")
        yield f"{events} after {_day(result)} left out, as --as-of asks."
    if result.events and result.events.rejected:
        lines = words.number_of(result.events.rejected, "line")
        yield f"{lines} could not be read as an event; see data quality."


def gap_sentences(gaps: Gaps) -> Iterator[str]:
    """The holes in the logs, by name."""
    for what, days in (
        ("any events", gaps.events),
        ("registrations", gaps.registered),
        ("loads of the app", gaps.app_loaded),
    ):
        if days:
            yield f"{words.number_of(len(days), 'day')} without {what}: {words.days(days)}."


def days(gaps: Gaps, length: int) -> str:
    """What the chart of events shows of the gaps."""
    if not gaps:
        return "No gaps: every day between the first and the last event has both kinds."
    counts = {
        "without any events": len(gaps.events),
        "without registrations": len(gaps.registered),
        "without loads": len(gaps.app_loaded),
    }
    named = [f"{words.number_of(n, 'day')} {what}" for what, n in counts.items() if n]
    where = "Hatched" if length == 1 else "Within the hatched weeks"
    return f"{where}: {', '.join(named)}."


def cohorts(grid: CohortGrid) -> str:
    """What the triangle shows."""
    text = "Users by the week of their first load, as a share of all who registered in a week."
    if not grid.more:
        return text
    loads = words.number_of(grid.more, "first load")
    return f"{text} {loads} came after {words.number_of(grid.offsets, 'week')} or more."


def comparison(result: ConversionResult, compared: Comparison) -> str:
    """Whether the segments differ."""
    if compared.by == "device_type":
        return (
            "The device is that of the first load, so it splits the converted users; every rate "
            "is of all registered users."
        )
    if not compared.segments or not compared.test:
        return "Segments are compared over complete weeks, and there is none yet."
    return describe(compared.test)


def first_loads(loads: FirstLoads) -> str:
    """What the distribution shows, over users seen long enough."""
    if not loads.days:
        return "No user has been seen for a full day yet."
    until = loads.days[:7][-1]
    return (
        f"Of {words.number_of(until.observed, 'user')} seen for at least "
        f"{words.number_of(until.day + 1, 'day')}, "
        f"{words.rate(until.figures_by_then.conversion_rate)} loaded the app within that time."
    )


def later_loads(loads: FirstLoads) -> str:
    """Who is not in the distribution's days."""
    later = words.number_of(loads.later, "user")
    not_yet = words.number_of(loads.not_yet, "user")
    return (
        "Each day counts only users who registered early enough to be seen through it. "
        f"Later than the days shown: {later}. Not yet loaded: {not_yet}."
    )


def _day(result: ConversionResult) -> str:
    return words.day(result.observed_through) if result.observed_through else "the chosen day"
