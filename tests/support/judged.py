"""Lines as an engine reads them, held against the oracle. Nothing is published."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support import oracle
from support.engines import EngineUnderTest
from support.logs import line, write_log
from support.oracle import UNDECIDED, LogFormat
from support.strategies import RUN_STARTED, as_toml
from user_conversion.inputs.lines import LineFile
from user_conversion.rules.events import CLOCK_TOLERANCE
from user_conversion.rules.presets import log_format as product_format


def good(number: int) -> bytes:
    """A line for the beginning of a file."""
    return line(10_000 + number).encode()


@dataclass(frozen=True)
class Read:
    """What an engine made of some files.

    `counts` are lines by file, verdict and day, as in `LineCount`.
    """

    counts: Counter[Any]
    events: Counter[Any]
    rejected: Counter[Any]


def read(
    engine: EngineUnderTest,
    folder: Path,
    paths: Sequence[Path],
    log_format: LogFormat = oracle.DEFAULT,
    now: datetime = RUN_STARTED,
) -> Read:
    """Files read by an engine, which publishes nothing."""
    (folder / "format.toml").write_text(as_toml(log_format))
    files = [LineFile(path, str(path), "none", None, path.stat().st_size) for path in paths]
    product, latest = product_format(str(folder / "format.toml")), now + CLOCK_TOLERANCE
    with engine.open(folder / "scratch") as opened:
        counted = opened.read_events(files, product, latest)
        events = Counter[Any]()
        for table, texts in (
            ("new_user_registration", ("channel", *log_format.attributes)),
            ("new_app_loaded", ("device_type",)),
        ):
            for row in opened.rows(f"SELECT * FROM {table}"):
                time = row["time"].replace(tzinfo=UTC)
                events[row["event"], time, row["initiator_id"], *(row[text] for text in texts)] += 1
        rows = opened.rows("SELECT * FROM new_rejected_events")
    names = ("source", "line_number", "reason")
    rejected = ((*(row[name] for name in names), shown(row["raw"].encode())) for row in rows)
    counts = {(each.file, str(each.verdict), each.day): each.lines for each in counted}
    return Read(Counter(counts), events, Counter(rejected))


def assert_judged(
    engine: EngineUnderTest,
    folder: Path,
    files: Sequence[Sequence[bytes]],
    log_format: LogFormat = oracle.DEFAULT,
    now: datetime = RUN_STARTED,
) -> None:
    """An engine reads these files as the oracle does, and loses no line that is undecided."""
    paths = [write_log(folder / "logs" / f"{n}.json", lines) for n, lines in enumerate(files)]
    found = read(engine, folder, paths, log_format, now)
    counts, events, rejected, undecided = (Counter[Any]() for _ in range(4))
    for file, lines in enumerate(files):
        for number, each in enumerate(lines, 1):
            judged = oracle.classify(each, now, log_format)
            if judged.counted_as == UNDECIDED:
                undecided[shown(each)] += 1
                continue
            event = judged.event
            counts[file, judged.counted_as, event and event.time.date()] += 1
            if event:
                texts = (event.channel, *event.extra)
                texts = texts if event.kind == "registered" else (event.device_type,)
                events[event.kind, event.time, event.initiator_id, *texts] += 1
            elif judged.counted_as in oracle.REASONS:
                known = number if engine.can.line_numbers else None
                rejected[str(paths[file]), known, judged.counted_as, shown(each)] += 1
    assert found.counts >= counts
    assert found.counts.total() == sum(map(len, files))
    assert found.events >= events
    assert found.events.total() == number_of(found, {"registered", "app_loaded"})
    assert found.rejected >= rejected
    assert found.rejected.total() == number_of(found, oracle.REASONS)
    # What is rejected beyond that are undecided lines, with their text.
    assert Counter(raw for *_, raw in (found.rejected - rejected).elements()) <= undecided


def number_of(found: Read, verdicts: Collection[str]) -> int:
    return sum(lines for (_, verdict, _), lines in found.counts.items() if verdict in verdicts)


def shown(line: bytes) -> str:
    """What must be kept of a line; a byte order mark and whitespace around it may be.

    Java writes one replacement character for some sequences for which Python writes three.
    """
    text = line.decode("utf-8", "replace").strip("\ufeff \t\r\v\f")
    return re.sub("\ufffd+", "\ufffd", text)
