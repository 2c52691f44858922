"""Sentences that several outputs share: the headline, warnings, and whether segments differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from user_conversion.outputs import words
from user_conversion.results import (
    DEVICE_TYPE,
    ConversionResult,
    Figures,
    Gaps,
    Segmentation,
    WeekResult,
)
from user_conversion.statistics import SMALL_SAMPLE, describe


def headline(result: ConversionResult) -> str:
    """The answer in one sentence."""
    if not result.complete.total_registered:
        return no_rate(result)
    share = words.rate(result.complete.conversion_rate)
    return f"{share} of new users {result.counted_as.clause}"


def no_rate(result: ConversionResult) -> str:
    """Why there is no rate of complete weeks."""
    return "No week is complete yet" if result.weeks else "No registrations found"


def context(result: ConversionResult) -> str:
    """What the figures depend on."""
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    return f"definition {result.definition}, weeks in {result.timezone}{through}"


def warnings(result: ConversionResult) -> Iterator[str]:
    """What a reader needs to know before using the figures."""
    if not result.weeks:
        yield "No registrations found: check the logs, or name the event with --registered."
    elif result.complete.small_sample and result.complete.total_registered:
        yield (
            f"Small sample: fewer than {SMALL_SAMPLE} users registered in complete weeks. "
            "Look at the interval rather than the rate."
        )
    asked = result.segmentation
    if asked and asked.segments and all(each.value is None for each in asked.segments):
        yield f"No user has a value for {asked.by}: check the name or path of the field."
    if result.gaps:
        yield " ".join([*gaps(result.gaps), "Missing logs can look like a drop in conversion."])
    if result.quality.events_after_as_of and result.observed_through:
        events = words.number_of(result.quality.events_after_as_of, "event is", "events are")
        yield f"{events} not used: after {words.day(result.observed_through)} (--as-of)."


def unfinished(result: ConversionResult) -> str:
    """How many weeks are unfinished; empty if none is."""
    weeks = sum(not week.complete for week in result.weeks)
    if not weeks:
        return ""
    number = words.number_of(weeks, "week is", "weeks are")
    return f"{number} {words.UNFINISHED}: {can_still_convert(weeks)}."


def can_still_convert(weeks: int) -> str:
    """What it means for so many weeks to be unfinished."""
    return f"{'its' if weeks == 1 else 'their'} users can still convert"


def earlier(weeks: Sequence[WeekResult]) -> str:
    """The rate of the weeks that an output leaves out; empty without any."""
    if not weeks:
        return ""
    figures = Figures.pooled(week.figures for week in weeks)
    number = words.number_of(len(weeks), "earlier week")
    return f"{number}: {words.rate(figures.conversion_rate)}, {words.users(figures)}."


def gaps(missing: Gaps) -> Iterator[str]:
    """The missing days, one sentence per kind of event."""
    for what, days in (
        ("any events", missing.events),
        ("registrations", missing.registered),
        ("loads of the app", missing.app_loaded),
    ):
        if days:
            yield f"{words.number_of(len(days), 'day')} without {what}: {words.days(days)}."


def comparison(compared: Segmentation) -> str:
    """Whether the segments differ."""
    if compared.by == DEVICE_TYPE:
        return (
            f"{DEVICE_TYPE} is the device of the first load. Each rate is a share of all "
            "registered users."
        )
    if not compared.segments or compared.test is None:
        return "Segments are compared over complete weeks, and there are none yet."
    return describe(compared.test)
