"""What the chart templates draw: axes, and values by place, with their coordinates in pixels.

A place is the number of a week, a day or a row, so that one without data keeps its space. A
`style` is a class of the style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import accumulate

from user_conversion.answer.figures import Figures, Segment
from user_conversion.answer.forecast import Forecast
from user_conversion.outputs import words

# Wide enough for half a desktop page, and still readable when a phone shows it smaller.
LEFT, RIGHT = 8, 452
# Room above the first panel for its title, and between panels for that of the next.
ABOVE, BETWEEN = 28, 38
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


@dataclass(frozen=True)
class Bar:
    """A bar from 0 to a value."""

    place: int
    value: float
    style: str


@dataclass(frozen=True)
class Estimate:
    """A rate and the ends of its interval."""

    place: int
    rate: float
    low: float
    high: float
    style: str

    @classmethod
    def of(cls, place: int, figures: Figures, style: str) -> Estimate:
        """The rate of some users; 0 where there are none."""
        low, high = figures.interval or (0.0, 0.0)
        return cls(place, figures.conversion_rate or 0.0, low, high, style)


@dataclass(frozen=True)
class Panel:
    """Values on one vertical axis from 0, in layers from back to front."""

    title: str
    height: int
    highest: float
    labels: Labels
    hatched: Iterable[int] = ()
    bars: Iterable[Bar] = ()
    # Each is drawn as a line of rates in a ribbon of intervals.
    stretches: Iterable[Sequence[Estimate]] = ()
    intervals: Iterable[Estimate] = ()
    # By place. Drawn as diamonds, a little beside the points.
    forecasts: Mapping[int, Forecast] = field(default_factory=dict)
    points: Iterable[Estimate] = ()

    def y(self, value: float) -> float:
        """The distance of a value from the upper edge of the panel."""
        return round(self.height - position(value, self.highest, self.height), 2)


@dataclass(frozen=True)
class PanelChart:
    """Panels below each other with one horizontal axis; one tooltip per place."""

    panels: Sequence[Panel]
    labels: Labels
    tips: Sequence[str]
    right: int = RIGHT

    @property
    def left(self) -> int:
        """The left edge of the panels: the longest label of a vertical axis fits beside it."""
        return 12 + 8 * max(len(text) for panel in self.panels for _, text in panel.labels)

    @property
    def tops(self) -> list[int]:
        """The upper edge of each panel, and of one more below the last."""
        return [*accumulate((panel.height + BETWEEN for panel in self.panels), initial=ABOVE)]

    @property
    def bottom(self) -> int:
        """The lower edge of the last panel."""
        return self.tops[-1] - BETWEEN

    def x(self, place: float) -> float:
        """The middle of a place."""
        return round(self.left + self.width(place + 0.5), 2)

    def width(self, places: float) -> float:
        """The width of so many places."""
        return round((self.right - self.left) / len(self.tips) * places, 2)


@dataclass(frozen=True)
class RowChart:
    """Segments below each other with one axis of rates, and a line at the overall rate."""

    rows: Sequence[Segment]
    highest: float
    labels: Labels
    overall: float
    left: int = LEFT
    right: int = RIGHT
    row_height: int = 46

    @property
    def bottom(self) -> int:
        """The lower edge of the last row."""
        return len(self.rows) * self.row_height

    def x(self, rate: float) -> float:
        """The position of a rate on the axis."""
        return round(self.left + position(rate, self.highest, self.right - self.left), 2)
