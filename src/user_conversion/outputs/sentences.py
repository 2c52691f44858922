"""Sentences that several outputs share: the headline, warnings, and whether segments differ."""

from __future__ import annotations

from collections.abc import Iterator

from user_conversion.finality import Gaps
from user_conversion.outputs import words
from user_conversion.results import DEVICE_TYPE, ConversionResult, Segmentation
from user_conversion.statistics import describe


def headline(result: ConversionResult) -> str:
    """The answer in one sentence."""
    if not result.weeks:
        return "No registrations found"
    if not result.complete.total_registered:
        return "Too early to tell: no week is complete yet"
    share = words.rate(result.complete.conversion_rate)
    return f"{share} of new users {result.counted_as.clause}"


def warnings(result: ConversionResult) -> Iterator[str]:
    """What a reader needs to know before using the figures."""
    if not result.weeks:
        yield "No registrations found: check that the logs have registered events."
    elif result.complete.small_sample and result.complete.total_registered:
        yield "Few users so far: the interval matters more than the rate."
    asked = result.segmentation
    if asked and asked.segments and all(each.value is None for each in asked.segments):
        yield f"No user has a value for {asked.by}: check the name or path of the field."
    if result.gaps:
        holes = " ".join(gap_sentences(result.gaps))
        yield f"{holes} Missing logs can look like a drop in conversion."
    if result.quality.events_after_as_of:
        events = words.number_of(result.quality.events_after_as_of, "event")
        yield f"{events} after {_day(result)} (--as-of) are not used."


def unfinished(result: ConversionResult) -> str:
    """How many weeks are unfinished; empty if none is."""
    weeks = sum(not week.complete for week in result.weeks)
    if not weeks:
        return ""
    verb = "is" if weeks == 1 else "are"
    return f"{words.number_of(weeks, 'week')} {verb} unfinished: their users can still convert."


def gap_sentences(gaps: Gaps) -> Iterator[str]:
    """The missing days, by kind of event."""
    for what, days in (
        ("any events", gaps.events),
        ("registrations", gaps.registered),
        ("loads of the app", gaps.app_loaded),
    ):
        if days:
            yield f"{words.number_of(len(days), 'day')} without {what}: {words.days(days)}."


def comparison(compared: Segmentation) -> str:
    """Whether the segments differ."""
    if compared.by == DEVICE_TYPE:
        return (
            "device_type is that of the first load, so it splits the converted users; every rate "
            "is of all registered users."
        )
    if not compared.segments or compared.test is None:
        return "Segments are compared over complete weeks, and there is none yet."
    return describe(compared.test)


def _day(result: ConversionResult) -> str:
    return words.day(result.observed_through) if result.observed_through else "the chosen day"
