"""Sentences that several outputs share: the headline, warnings, and whether segments differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from user_conversion.answer.change import Comparison
from user_conversion.answer.figures import Figures, Segmentation
from user_conversion.answer.finality import MISSING_DAYS, UNFINISHED, Gaps
from user_conversion.answer.forecast import FEWEST_WEEKS
from user_conversion.answer.results import ConversionResult, Identities
from user_conversion.answer.statistics import SMALL_SAMPLE, describe
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import words
from user_conversion.rules.log_format import APP_LOADED, DEVICE_TYPE
from user_conversion.rules.weeks import MONDAY

# From so many loads on it is odd if at most this share of them is by registered users.
FEWEST_LOADS, FEWEST_KNOWN = 20, 0.05


def headline(result: ConversionResult) -> str:
    """The answer in one sentence."""
    if not result.complete.total_registered:
        return no_rate(result)
    share = words.rate(result.complete.conversion_rate)
    return f"{share} of new users {result.counted_as.clause}"


def no_rate(result: ConversionResult) -> str:
    """Why there is no rate of complete weeks."""
    return "No week is complete yet" if result.weeks else "No registrations found"


def no_complete_week(result: ConversionResult) -> str:
    """Why there is no rate of complete weeks, if there are weeks."""
    if any(week.incomplete_because != UNFINISHED for week in result.weeks):
        return f"{no_rate(result)}; the reasons are beside the weeks."
    return f"{no_rate(result)}: {can_still_convert(len(result.weeks))}."


def context(result: ConversionResult) -> str:
    """What the figures depend on."""
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    start = "" if result.first_weekday == MONDAY else f" from {result.first_weekday.capitalize()}"
    return f"definition {result.definition}, weeks{start} in {result.timezone}{through}"


def warnings(result: ConversionResult) -> Iterator[str]:
    """What a reader needs to know before using the figures."""
    later = result.quality.events_after_as_of
    if not result.weeks and later:
        yield "No registrations found up to --as-of."
    elif not result.weeks:
        yield "No registrations found: check the logs, or name the event with --registered."
    elif result.complete.is_small and result.complete.total_registered:
        yield (
            f"Small sample: fewer than {SMALL_SAMPLE} users registered in complete weeks. "
            "Look at the interval rather than the rate."
        )
    yield from restated(result)
    yield from identities(result)
    if sentence := loads_of_others(result):
        yield sentence
    asked = result.asked
    if asked and asked.segments and all(each.value is None for each in asked.segments):
        yield f"No user has a value for {asked.by}: check the name or path of the field."
    yield from missing_days(result)
    if seen := sum(week.seen_before for week in result.weeks):
        users = words.number_of(seen, "user")
        yield (
            f"{users} loaded the app before the registration in these logs: "
            "an earlier one may be missing."
        )
    if later:
        events = words.number_of(later, "event is", "events are")
        yield f"{events} after --as-of, and not used."


def restated(result: ConversionResult) -> Iterator[str]:
    """Which complete weeks changed since the last answer, from what to what."""
    for each in result.restated:
        was, is_now = (
            f"{figures.total_converted:,} of {figures.total_registered:,} users"
            for figures in (each.before, each.after)
        )
        yield (
            f"Week {each.registration_week} was complete with {was} converted; now it is {is_now}."
        )


def identities(result: ConversionResult) -> Iterator[str]:
    """Which ids did not become one user."""
    counts = result.identities or Identities()
    for number, what in (
        (counts.ids_of_several_users, "became several users: the first one is used"),
        (counts.ids_in_circles, "led in a circle: used as logged"),
        (counts.ids_of_themselves, "became the same id, which has no effect"),
    ):
        if number:
            yield f"{words.number_of(number, 'id')} {what}."


def loads_of_others(result: ConversionResult) -> str:
    """Says that hardly any load is of a user who has registered; empty if enough are."""
    loads = sum(day.get(APP_LOADED, 0) for day in result.daily.values())
    known = loads - result.quality.loads_without_registration
    if loads < FEWEST_LOADS or known > loads * FEWEST_KNOWN:
        return ""
    share = f"Only {known:,} of {loads:,} loads" if known else f"None of {loads:,} loads"
    return (
        f"{share} of the app {'are' if known > 1 else 'is'} by a user who has registered: check "
        "whether ids are written alike in both kinds of events, and whether registrations are "
        "missing."
    )


def unfinished(result: ConversionResult) -> str:
    """How many weeks are unfinished; empty if none is."""
    weeks = sum(week.incomplete_because == UNFINISHED for week in result.weeks)
    if not weeks:
        return ""
    number = words.number_of(weeks, "week is", "weeks are")
    return f"{number} {UNFINISHED}: {can_still_convert(weeks)}."


def can_still_convert(weeks: int) -> str:
    """What it means for so many weeks to be unfinished."""
    return f"{'its' if weeks == 1 else 'their'} users can still convert"


def earlier(weeks: Sequence[WeekResult]) -> str:
    """The rate of the weeks that an output leaves out; empty without any."""
    if not weeks:
        return ""
    figures = Figures.pooled(weeks)
    number = words.number_of(len(weeks), "earlier week")
    return f"{number}: {words.rate(figures.conversion_rate)}, {words.users(figures)}."


def missing_days(result: ConversionResult) -> Iterator[str]:
    """Which days are missing, and which weeks they concern."""
    missing = " ".join(gap_sentences(result.gaps))
    if not missing:
        return
    weeks = [w.registration_week for w in result.weeks if w.incomplete_because == MISSING_DAYS]
    what = "logs of these days may be missing"
    if weeks:
        rates = "rate of week" if len(weeks) == 1 else "rates of weeks"
        what = f"{rates} {words.week_names(weeks)} may be wrong"
    yield f"{missing} The {what}."


def gap_sentences(gaps: Gaps) -> Iterator[str]:
    """The missing days, by kind of event. Days without any event are named once."""
    known = set(gaps.no_events)
    for what, days in (
        ("events", gaps.no_events),
        ("registrations", [day for day in gaps.no_registered if day not in known]),
        ("loads of the app", [day for day in gaps.no_app_loaded if day not in known]),
    ):
        if days:
            yield f"No {what} on {words.days(days)}."


def newest_week(result: ConversionResult) -> str:
    """Whether the newest complete week differs, in one sentence for a chat."""
    found = result.change
    if not found.segments:
        weeks = words.number_of(FEWEST_WEEKS, "complete week")
        return f"Nothing to compare yet: a week is compared with at least {weeks} before it."
    everybody, *segments = found.segments
    rate = words.rate(everybody.conversion_rate)
    text = f"Week {found.registration_week}: {rate} of new users {result.counted_as.clause}"
    text += f", {against_usual(everybody)}"
    changed = [
        f"{words.segment(each, 40)} {words.rate(each.conversion_rate)}, {against_usual(each)}"
        for each in segments
        if each.changed
    ]
    text += f"; changed: {', '.join(changed)}." if changed else "."
    return words.ordinary_spaces(text)


def against_usual(found: Comparison) -> str:
    """How a rate compares with its usual interval; several comparisons are allowed for."""
    low, high = found.usual
    interval, is_within = words.percent_interval(found.usual), low <= found.conversion_rate <= high
    if found.changed:
        edge = "at the edge of " if is_within else ""
        return f"{'more' if found.rose else 'fewer'} than usual ({edge}{interval})"
    return f"as usual ({interval})" if is_within else f"which may be chance (usually {interval})"


def late(result: ConversionResult) -> str:
    """That the logs are late, in one sentence."""
    seen = result.latest_day
    return f"The logs are late: the latest event is of {seen}." if seen else "There are no events."


def comparison(compared: Segmentation) -> str:
    """Whether the segments differ."""
    if compared.by == DEVICE_TYPE:
        return (
            f"{DEVICE_TYPE} is the device of the first load. Each rate is a share of all "
            "registered users."
        )
    if not compared.segments or compared.test is None:
        return "Segments are compared over complete weeks, and there are none yet."
    left_out = any(each.small_sample for each in compared.segments)
    more = " Small samples are left out." if left_out and compared.test.p_value is not None else ""
    return describe(compared.test) + more
