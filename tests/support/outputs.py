"""Pages and charts taken apart, and the record of a run of some lines."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from support.command import Finished, command
from support.logs import write_log
from user_conversion import outputs
from user_conversion.jobs.report import last_record
from user_conversion.places.place import Folder


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, texts, tables by caption."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._caption = ""
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        text = data.strip("\n")
        self.texts.append(text)
        if "caption" in self._open:
            self._caption += text
        # Notes below a name are words, not figures.
        elif self._rows and self._rows[-1] and not {"small", "thead"} & {*self._open}:
            self._rows[-1][-1] += text.strip() if {"th", "td"} & {*self._open} else ""

    def attributes(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.elements if name in found]

    def table(self, caption: str) -> dict[str, list[str]]:
        return {row[0]: row[1:] for row in self.tables[caption] if row[0]}


class Drawing:
    """A chart taken apart: its texts, its tooltips and its marks by class, in order."""

    def __init__(self, svg: str) -> None:
        self._root = ElementTree.fromstring(svg)
        texts = list(self._root.iter("text"))
        self.texts = [each.text or "" for each in texts]
        self._places = {each.text: each for each in texts}
        self.tips = [
            each.attrib["data-tip"] for each in self._root.iter() if "data-tip" in each.attrib
        ]

    def marks(self, style: str) -> list[dict[str, str]]:
        """The attributes of every mark that has a class."""
        return [each.attrib for each in self._root.iter() if style in each.get("class", "").split()]

    def numbers(self, style: str, name: str) -> list[float]:
        return [float(mark[name]) for mark in self.marks(style)]

    def label(self, text: str, name: str) -> float:
        """A coordinate of a label."""
        return float(self._places[text].attrib[name])


def run(output: Path, lines: list[str], *options: object) -> Finished:
    log = write_log(output.parent / "events.json", lines)
    finished = command("run", "--input", log, "--output", output, *options)
    assert finished.status == 0, finished.err
    return finished


def rendered(output: Path, format: str = "html") -> str:  # noqa: A002
    return outputs.render(last_record(Folder(output)), format)


def page_on(output: Path) -> Page:
    return Page(rendered(output))
