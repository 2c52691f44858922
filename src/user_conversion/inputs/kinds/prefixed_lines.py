"""JSON lines with a prefix: what Kubernetes, Compose, syslog or a logger writes before each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from user_conversion.inputs.compression import read_text, utf_8_file
from user_conversion.inputs.kinds.content import Sample, Wanted
from user_conversion.inputs.kinds.json_files import as_object

# The time, the stream, and whether the line goes on in the next one (P) or is complete (F).
KUBERNETES = re.compile(r"\d{4}-\d\d-\d\dT\S+ (stdout|stderr) ([PF]) ")
# What syslog, Compose, a logging library, or a tool that follows logs writes before JSON.
ANY = re.compile(r"[^{\t]+(?=\{)")
LINES = 20


@dataclass(frozen=True)
class PrefixedLines:
    """A file of lines of JSON, each behind a prefix; lines that were cut are put together."""

    prefix: re.Pattern[str]
    name: str = "JSON behind a prefix"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`. What has no prefix stays as it is."""
        with read_text(path, source, newline="\n") as text, utf_8_file(target) as lines:
            lines.writelines(islice(self._whole_lines(text), wanted.limit))

    def _whole_lines(self, text: Iterable[str]) -> Iterator[str]:
        begun: dict[str, str] = {}
        for line in text:
            found = self.prefix.match(line)
            content = line[found.end() :] if found else line
            if not found or not found.groups():
                yield content
                continue
            stream, part = found.groups()
            whole = begun.pop(stream, "") + content
            if part == "P":
                begun[stream] = whole.rstrip("\n")
            else:
                yield whole
        yield from (f"{each}\n" for each in begun.values())


def recognise(sample: Sample, wanted: Wanted) -> PrefixedLines | None:
    """Whether the first line and half of those after it have a prefix and an object behind it.

    Lines that are parts of a longer one, which was cut, do not count.
    """
    if wanted.log_format.input.columns:
        return None  # cells can begin with a brace
    lines = [line for line in sample.text.split("\n", LINES)[:LINES] if line.strip()]
    for prefix in (KUBERNETES, ANY):
        found = [prefix.match(line) for line in lines]
        behind = [each and as_object(each.string[each.end() :]) for each in found]
        goes_on = [each is not None and "P" in each.groups() for each in found]
        is_cut = bool(goes_on and goes_on[0])
        parts = sum(
            here or before for here, before in zip(goes_on, [False, *goes_on], strict=False)
        )
        has_objects = 2 * sum(each is not None for each in behind) >= len(lines) - parts
        if found and found[0] and (is_cut or has_objects):
            return PrefixedLines(prefix)
    return None
