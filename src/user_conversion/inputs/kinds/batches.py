"""JSON lines of which each has a list of events, as libraries send them."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from user_conversion.inputs.compression import CHUNK, NONE, LogStream
from user_conversion.inputs.kinds.content import Sample, Wanted
from user_conversion.inputs.kinds.json_files import as_object, first_lines, list_of_objects
from user_conversion.rules.events import BYTE_ORDER_MARK
from user_conversion.rules.log_format import needed_fields
from user_conversion.rules.paths import value_at


@dataclass(frozen=True)
class Batches:
    """A file of lines with a list of events at a key. Other lines stay as they are."""

    key: str
    name: str = "JSON with a list of events on each line"

    def write_lines(self, path: Path, target: Path, source: str, wanted: Wanted) -> None:
        """See `Kind`."""
        buffered = io.BufferedReader(LogStream(path, NONE, source), CHUNK)
        with buffered as lines, target.open("wb") as out:
            records = (record for line in lines for record in self._records(line))
            out.writelines(islice(records, wanted.limit))

    def _records(self, line: bytes) -> Iterator[bytes]:
        document = as_object(line.removeprefix(BYTE_ORDER_MARK)) or {}
        records = document.get(self.key)
        if not isinstance(records, list):
            yield line
            return
        for record in records:
            yield json.dumps(record, separators=(",", ":")).encode() + b"\n"


def recognise(sample: Sample, wanted: Wanted) -> Batches | None:
    """Whether of the first lines at least as many have a list of events as are events."""
    if wanted.log_format.records or wanted.log_format.input.columns:
        return None
    name = needed_fields(wanted.log_format, wanted.event)[0] if wanted.event else "event"
    paths = wanted.log_format.fields.get(name, ())

    def is_event(value: Any) -> bool:
        return any(value_at(value, path) is not None for path in paths)

    keys: Counter[str] = Counter()
    events = 0
    for line in first_lines(sample.text, sample.is_whole):
        document = as_object(line) or {}
        events += is_event(document)
        key = None if is_event(document) else list_of_objects(document)
        if key and any(map(is_event, document[key])):
            keys[key] += 1
    return Batches(keys.most_common(1)[0][0]) if keys and keys.total() >= events else None
