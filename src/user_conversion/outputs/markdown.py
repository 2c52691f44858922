"""The answer as a short message for a chat, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from user_conversion.answer.figures import Segment, Segmentation
from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import sentences, words

WEEKS_SHOWN = 12
LONGEST_NAME = 40


def as_markdown(record: RunRecord) -> str:
    """The headline, a table of the latest weeks, and the segments that were asked for."""
    result = record.conversion
    lines = [f"**Weekly user conversion: {_headline(result)}**", "", *_context(result)]
    if result.weeks:
        lines += ["", *_weeks(result)]
    if result.asked:
        lines += ["", *_segments(result.asked)]
    lines += [line for sentence in sentences.restated(result) for line in ("", sentence)]
    return words.ordinary_spaces("\n".join(lines)) + "\n"


def _headline(result: ConversionResult) -> str:
    if not result.complete.interval:
        return sentences.no_rate(result)
    interval = words.percent_interval(result.complete.interval)
    return f"{words.rate(result.complete.conversion_rate)} ({words.INTERVAL} {interval})"


def _context(result: ConversionResult) -> list[str]:
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    total = f"{words.rate(result.conversion_rate)}, {words.users(result)}"
    return [
        f"Complete weeks: {words.users(result.complete)}. All registrations: {total}.  ",
        f"Definition `{result.definition}`, weeks in {result.timezone}{through}.",
    ]


def _weeks(result: ConversionResult) -> Iterator[str]:
    earlier, latest = result.weeks[:-WEEKS_SHOWN], result.weeks[-WEEKS_SHOWN:]
    yield from _table(("Week", "Starts"), map(_week, latest))
    if earlier:
        yield from ["", sentences.earlier(earlier)]


def _segments(compared: Segmentation) -> Iterator[str]:
    yield f"By `{compared.by}`, complete weeks only: {sentences.comparison(compared)}"
    if compared.segments:
        yield from ["", *_table((f"`{compared.by}`",), map(_segment, compared.segments))]


def _week(week: WeekResult) -> tuple[str, ...]:
    key = week.registration_week, week.week_start.isoformat()
    return *key, *words.cells(week), words.notes(week)


def _segment(each: Segment) -> tuple[str, ...]:
    name = words.segment(each)
    return name if each.others else _code(name), *words.cells(each), words.notes(each)


def _table(keys: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join((*keys, *words.FIGURE_HEADINGS, ''))}|"
    yield f"|{'---|' * len(keys)}--:|--:|--:|--:|---|"
    yield from (f"| {' | '.join(cells)} |" for cells in rows)


def _code(name: str) -> str:
    """A name from the logs as code, so that nothing in it is a link, a mention or a format."""
    shown = words.cut(name, LONGEST_NAME).replace("|", r"\|")
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"
