"""Lets-Plot's charts as SVG that may stand in the page.

The library draws ahead of time, so the page carries pictures and no charting library: it needs
no script to show them, and its policy can forbid every request. What comes back is rebuilt from
a list of allowed elements and attributes. The library gets stand-ins for colours, texts and
tooltips, and they are put in afterwards: colours as names of the style sheet, light or dark, and
texts from the logs where nothing can take them for markup.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

NAMES = ("accent", "second", "band", "soft", "ink", "muted", "grid", "surface", "hatch", "tip")
ACCENT, SECOND, BAND, SOFT, INK, MUTED, GRID, SURFACE, HATCH, TIP = (
    f"#fe00{number:02x}" for number, _ in enumerate(NAMES)
)
PAINTS = {name: f"var(--{name})" for name in NAMES} | {"hatch": "url(#hatch)", "tip": "transparent"}
NAMESPACE = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "g", "path", "line", "rect", "circle", "text", "tspan"}
GEOMETRY = {"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "dx", "dy"}
SIZES = {"width", "height", "stroke-width", "stroke-dasharray", "text-anchor", "class"}


def picture(plot: Any, tips: Sequence[str] = (), texts: Mapping[str, str] | None = None) -> str:
    """Draw a plot; its areas of the colour `TIP` get `tips` in order, its texts their `texts`."""
    drawing = io.BytesIO()
    with _silence():
        plot.to_svg(drawing)
    root = next(_cleaned(fromstring(drawing.getvalue()), texts or {}))
    root.attrib = {
        "viewBox": f"0 0 {root.get('width')} {root.get('height')}",
        "aria-hidden": "true",
    }
    areas = [each for each in root.iter() if each.get("fill") == PAINTS["tip"]]
    for area, tip in zip(areas, tips, strict=True):
        area.set("data-tip", tip)
    return tostring(root, encoding="unicode")


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the library's native remarks off standard output, where only results belong."""
    sys.stdout.flush()
    stdout = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)


def _cleaned(element: Element, texts: Mapping[str, str]) -> Iterator[Element]:
    """Keep what a picture needs; nothing that acts, loads or leads anywhere."""
    tag = element.tag.removeprefix(NAMESPACE)
    if tag not in ELEMENTS:
        return
    kept = Element(tag, dict(_attributes(tag, element)))
    kept.extend([each for child in element for each in _cleaned(child, texts)])
    if tag == "tspan":
        kept.text = texts.get(element.text or "", element.text)
    painted = {kept.get("fill"), kept.get("stroke")} - {"none", None}
    if tag == "g" and not kept.attrib:
        yield from kept
    elif len(kept) or painted or tag == "tspan":
        yield kept


def _attributes(tag: str, element: Element) -> Iterable[tuple[str, str]]:
    for name, value in element.items():
        if name in GEOMETRY | SIZES:
            yield name, re.sub(r"\d+\.\d+", _rounded, value).strip()
    if tag == "text" and not element.get("class"):
        yield "class", "label"
    if tag in ("path", "line", "rect", "circle"):
        yield "fill", _paint(element.get("fill", ""))
        yield "stroke", _paint(element.get("stroke", ""))


def _paint(colour: str) -> str:
    """The page's paint for a stand-in; nothing for the library's own colours."""
    found = re.fullmatch(r"rgb\(254,0,(\d+)\)|#fe00([0-9a-f]{2})", colour)
    if not found:
        return "none"
    number = int(found[1]) if found[1] else int(found[2], 16)
    return PAINTS[NAMES[number]]


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
