"""Logs of containers: JSON lines with what Kubernetes or Compose writes before each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from user_conversion.inputs.compression import read_text
from user_conversion.inputs.content import Sample, Wanted

# The time, the stream, and whether the line goes on in the next one (P) or is complete (F).
KUBERNETES = re.compile(r"\d{4}-\d\d-\d\dT\S+ (?:stdout|stderr) ([PF]) ")
# The name of the container.
COMPOSE = re.compile(r"[\w.-]+ +\| ")


@dataclass(frozen=True)
class ContainerLog:
    """A file of lines of JSON, each behind a prefix; lines that were cut are put together."""

    prefix: re.Pattern[str]
    name: str = "log of a container"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. What has no prefix stays as it is."""
        with (
            read_text(path, source, newline="\n") as text,
            target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines,
        ):
            lines.writelines(islice(self._whole_lines(text), wanted.limit))

    def _whole_lines(self, text: Iterable[str]) -> Iterator[str]:
        begun = ""
        for line in text:
            found = self.prefix.match(line)
            content = line[found.end() :] if found else line
            if found and found.groups() and found[1] == "P":
                begun += content.rstrip("\n")
            else:
                yield begun + content
                begun = ""
        if begun:
            yield begun


def recognise(sample: Sample, wanted: Wanted) -> ContainerLog | None:
    """Whether the first lines have a prefix and JSON behind it."""
    lines = [line for line in sample.text.splitlines()[:20] if line.strip()]
    for prefix in (KUBERNETES, COMPOSE):
        found = [match for line in lines if (match := prefix.match(line))]
        contents = [match.string[match.end() :] for match in found]
        if len(found) == len(lines) and any(text.startswith("{") for text in contents):
            return ContainerLog(prefix)
    return None
