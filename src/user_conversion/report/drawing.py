"""What the charts are made of: panels, areas that carry tooltips, axes. Drawn by Lets-Plot.

Places on the axes are numbers (of weeks, days or rows), so that what has no data keeps its room.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import lets_plot as lp

from user_conversion.report import scales, svg

# Wide enough for half a desktop page, and still readable when a phone shows it smaller.
WIDTH = 460
THEME = lp.theme_void() + lp.theme(
    axis_text_x=lp.element_text(size=13, margin=[6, 0, 0, 0], angle=0),
    axis_text_y=lp.element_text(size=13, margin=[0, 7, 0, 0]),
    plot_title=lp.element_text(size=13, margin=[0, 0, 10, 0]),
    plot_margin=0,
    plot_inset=0,
)
LINES = lp.element_line(color=svg.GRID, size=1)

Plot = Any
Columns = dict[str, list[Any]]


def panel(title: str, labels: scales.Labels, top: float) -> Plot:
    """An empty plot whose vertical axis starts at 0."""
    breaks, text = zip(*labels, strict=True)
    vertical = lp.scale_y_continuous(
        name="", breaks=list(breaks), labels=list(text), limits=[0, top], expand=[0, 0]
    )
    grid = lp.theme(panel_grid_major_y=LINES)
    return lp.ggplot() + THEME + grid + lp.ggtitle(title) + vertical


def columns(places: Iterable[int], top: float, paint: str, width: float = 0.86) -> Plot:
    """Areas of the full height."""
    data = {"x": list(places)}
    if not data["x"]:
        # The library would take an empty column for one area at 0.
        return lp.geom_blank()
    return lp.geom_tile(
        lp.aes("x"), data=data, y=top / 2, height=top, width=width, fill=paint, size=0
    )


def bands(places: Iterable[int], top: float, paint: str) -> Plot:
    """Areas of the full width."""
    data = {"y": list(places)}
    return lp.geom_tile(
        lp.aes(y="y"), data=data, x=top / 2, width=top, height=1, fill=paint, size=0
    )


def bars(values: Columns, fill: str, **style: Any) -> Plot:
    """Bars of height `y` at the places `x`."""
    mapping = lp.aes("x", "y")
    return lp.geom_bar(mapping, data=values, stat="identity", width=0.8, fill=fill, **style)


def points(values: Columns, fill: str) -> Plot:
    """Points at `x` and `y`: filled, or hollow with the page's own surface inside."""
    look = {"shape": 21, "size": 3.4, "stroke": 1.2, "color": svg.ACCENT}
    return lp.geom_point(lp.aes("x", "y"), data=values, fill=fill, **look)


def text(values: Columns, side: int) -> Plot:
    """Stand-ins for texts, which begin (side 0) or end (1) at `x`."""
    mapping = lp.aes("x", "y", label="text")
    return lp.geom_text(mapping, data=values, hjust=side, color=svg.INK)


def across(labels: scales.Labels, places: int) -> Plot:
    """The horizontal axis of numbered places."""
    return lp.scale_x_continuous(
        name="",
        breaks=[place for place, _ in labels],
        labels=[label for _, label in labels],
        limits=[-0.5, places - 0.5],
        expand=[0.01, 0],
    )


def dated(starts: Sequence[date], labels: bool = True) -> Plot:
    """The horizontal axis of days or weeks, bare where the panel below has the labels."""
    return across(scales.dates(starts) if labels else [], len(starts))


def stacked(panels: Sequence[tuple[Plot, int]], said: Sequence[str]) -> str:
    """Panels with their heights below each other, horizontal axes in line, as a picture."""
    plots, heights = zip(*panels, strict=True)
    grid = lp.gggrid(list(plots), ncol=1, heights=list(heights), vspace=14, align=True)
    return picture(grid, sum(heights), said)


def picture(
    plot: Plot, height: int, said: Sequence[str], texts: Mapping[str, str] | None = None
) -> str:
    """The SVG of a plot with its tooltips and texts."""
    return svg.picture(plot + lp.ggsize(WIDTH, height), said, texts)
