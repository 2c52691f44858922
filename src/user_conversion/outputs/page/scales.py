"""Axes: where they end, their labels, and the position of a value between their ends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from user_conversion.answer.figures import Figures
from user_conversion.outputs import words

MOST_LABELS = 5
LONG_RANGE = 300

# Values or places on an axis, and their labels.
Labels = list[tuple[float, str]]


def position(value: float, highest: float, length: float) -> float:
    """Pixels from 0 to a value on an axis that ends at `highest`; larger values are at its end."""
    return round(min(value, highest) / highest * length, 2)


def top(figures: Sequence[Figures]) -> float:
    """The top of an axis of rates: all intervals fit, except those of small samples."""
    large = [each for each in figures if not each.is_small] or figures
    highest = max((each.interval[1] for each in large if each.interval), default=0)
    return min(100.0, 1.08 * highest or 100.0)


def room(most: float) -> float:
    """The top of an axis of counts or shares."""
    return 1.08 * most or 1.0


def percents(highest: float, most: int = 5) -> Labels:
    """Round rates from 0 up to the highest."""
    return [(value, f"{value:g} %") for value in _round_values(highest, most)]


def counts(highest: float, most: int = 4) -> Labels:
    """Round whole numbers from 0 up to the highest."""
    return [(value, f"{value:,.0f}") for value in _round_values(highest, most) if value % 1 == 0]


def dates(starts: Sequence[date]) -> Labels:
    """A few of the days by their place; as months if the range is long."""
    long = (starts[-1] - starts[0]).days > LONG_RANGE
    return [
        (place, words.month(starts[place]) if long else words.day_and_month(starts[place]))
        for place in every(len(starts), MOST_LABELS)
    ]


def every(places: int, most: int) -> range:
    """At most so many places at equal steps, from the first."""
    return range(0, places, -(-places // most))


def _round_values(highest: float, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten: 0 and at most so many more."""
    power = 10.0 ** math.floor(math.log10(highest / most))
    step = next(n * power for n in (1, 2, 5, 10) if highest / (n * power) <= most)
    return [round(n * step, 9) for n in range(int(highest / step) + 1)]
