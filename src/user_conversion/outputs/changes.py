"""What `check` says: whether the newest complete week differs, in sentences and as JSON."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from user_conversion.answer.change import Comparison
from user_conversion.answer.forecast import FEWEST_WEEKS
from user_conversion.answer.results import ConversionResult
from user_conversion.outputs import words


def as_json(result: ConversionResult, late: bool) -> dict[str, Any]:
    """The object that `check --format json` prints."""
    return {
        **structs.asdict(result.change),
        "late": late,
        "sentence": " ".join([sentence(result), *([late_sentence(result)] if late else ())]),
        "definition": result.definition,
        "timezone": result.timezone,
        "observed_through": result.observed_through,
    }


def sentence(result: ConversionResult) -> str:
    """The finding in one sentence, for a chat."""
    found = result.change
    if not found.segments:
        weeks = words.number_of(FEWEST_WEEKS, "complete week")
        return f"Nothing to compare yet: a week is compared with at least {weeks} before it."
    everybody, *segments = found.segments
    rate = words.rate(everybody.conversion_rate)
    text = f"Week {found.registration_week}: {rate} of new users {result.counted_as.clause}"
    verdict = "as usual"
    if everybody.changed:
        verdict = "more than usual" if everybody.rose else "fewer than usual"
    text += f", {verdict} ({words.percent_interval(everybody.usual)})"
    changed = [_segment(each) for each in segments if each.changed]
    text += f"; changed: {', '.join(changed)}." if changed else "."
    return words.ordinary_spaces(text)


def late_sentence(result: ConversionResult) -> str:
    """That the logs are late, in one sentence."""
    seen = result.observed_through
    return f"The logs are late: the last whole day is {seen}." if seen else "There are no events."


def _segment(each: Comparison) -> str:
    name = words.segment(each, 40)
    usual = words.percent_interval(each.usual)
    return f"{name} {words.rate(each.conversion_rate)} (usually {usual})"
