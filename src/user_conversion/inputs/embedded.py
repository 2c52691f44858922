"""Events that are JSON text in a field of each record of a log."""

from __future__ import annotations

import io
from pathlib import Path

from user_conversion.inputs.compression import CHUNK, NONE, LogStream
from user_conversion.inputs.kinds.json_files import as_object, one_line
from user_conversion.rules.events import BYTE_ORDER_MARK
from user_conversion.rules.paths import FieldPath, value_at

# What each record of Docker has.
DOCKER = {"log", "stream", "time"}
UNDECODED = "surrogateescape"


class Texts:
    """The text that each record has in a field, or the record if the field has no text.

    Docker cuts long lines: a text of its records that has no line end, and is no whole event, goes
    on in the next record of its stream. `begun` has such texts, and the bytes they begin at.
    """

    def __init__(self, at: FieldPath) -> None:
        self._at = at
        self._place = 0
        self._streams: dict[str, tuple[int, str]] = {}

    @property
    def begun(self) -> list[tuple[int, bytes]]:
        """The texts that go on, each with the byte at which its first record begins."""
        return [(place, _as_line(text)) for place, text in self._streams.values()]

    def of(self, line: bytes) -> bytes | None:
        """The text that ends in a line, without its line end."""
        place, self._place = self._place, self._place + len(line)
        decoded = line.removeprefix(BYTE_ORDER_MARK).decode(errors=UNDECODED)
        record = as_object(decoded)
        text = value_at(record, self._at)
        if record is None or not isinstance(text, str):
            return _as_line(decoded)
        if record.keys() >= DOCKER:
            stream = str(record["stream"])
            place, before = self._streams.pop(stream, (place, ""))
            text = before + text
            if not text.endswith("\n") and as_object(text) is None:
                self._streams[stream] = place, text
                return None
        return _as_line(text)


def unpack(path: Path, target: Path, source: str, at: FieldPath, after: int = 0) -> int | None:
    """Write the texts in the records of a file, but for those that end in the lines before `after`.

    Returns the byte at which the first text begins that goes on behind the end, if there is one.
    """
    texts = Texts(at)
    buffered = io.BufferedReader(LogStream(path, NONE, source), CHUNK)
    with buffered as lines, target.open("wb") as out:
        for number, line in enumerate(lines):
            text = texts.of(line)
            if text is not None and number >= after:
                out.write(text + b"\n")
        out.writelines(text + b"\n" for _, text in texts.begun)
    return min((place for place, _ in texts.begun), default=None)


def unfinished(content: bytes, at: FieldPath) -> tuple[list[bytes], int]:
    """The texts that go on behind a content, and the number of lines that were read whole."""
    texts = Texts(at)
    lines = io.BytesIO(content).readlines()
    last = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    if as_object(last.decode(errors=UNDECODED)) is not None:
        lines.append(last)
        last = b""
    for line in lines:
        texts.of(line)
    return [*(text for _, text in texts.begun), *([last] if last else [])], len(lines)


def _as_line(text: str) -> bytes:
    return one_line(text.rstrip("\r\n")).encode(errors=UNDECODED)
