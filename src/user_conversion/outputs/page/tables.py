"""The figures of the page as tables: captions, headings and cells as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from user_conversion.events import Reason
from user_conversion.outputs import words
from user_conversion.outputs.page import tips
from user_conversion.outputs.page.folding import Period, SegmentRow
from user_conversion.results import ConversionResult, Figures, FirstLoads, WeekResult

FIGURE_HEADINGS = ("Users", "Converted", "Rate", "95 % interval")


@dataclass(frozen=True)
class TableRow:
    """A row: what it is about, a note below that, the cells, and how it looks."""

    head: str
    cells: tuple[str, ...]
    note: str = ""
    mark: str = ""
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; `text` if the other cells are not numbers.

    A `whole` table is shown in full where others scroll.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[TableRow, ...]
    text: bool = False
    whole: bool = False


def weeks(results: Sequence[WeekResult]) -> Table:
    """One row per registration week, the latest first."""
    rows = []
    for week in reversed(results):
        note = f"from {words.day(week.week_start)}"
        style = "" if week.complete else "unfinished"
        cells = _cells(week.figures)
        rows.append(
            TableRow(week.registration_week, cells, note, words.notes(week.figures, week), style)
        )
    return Table("Conversion by registration week", ("Week", *FIGURE_HEADINGS), tuple(rows))


def segments(by: str, folded: Sequence[SegmentRow], everybody: Figures) -> Table:
    """One row per segment over complete weeks, and everybody."""
    rows = [
        TableRow(
            row.label,
            _cells(row.figures),
            mark=words.notes(row.figures),
            style="rest" if row.rest else "",
        )
        for row in folded
    ]
    if rows:
        rows.append(TableRow("All users", _cells(everybody), style="total"))
    caption = f"Conversion by {by} over complete weeks"
    headings = (by.replace("_", " ").capitalize(), *FIGURE_HEADINGS)
    return Table(caption, headings, tuple(rows), whole=True)


def first_loads(loads: FirstLoads) -> Table:
    """One row per day after the registration."""
    rows = tuple(
        TableRow(
            "0 (first 24 hours)" if each.day == 0 else str(each.day),
            (
                words.count(each.observed),
                words.count(each.loaded),
                words.rate(each.figures.conversion_rate),
                words.rate(each.figures_by_then.conversion_rate),
            ),
        )
        for each in loads.days
    )
    headings = ("Full days", "Users seen that long", "First load that day", "Share", "By then")
    return Table("First loads by days since the registration", headings, rows)


def daily(periods: Sequence[Period]) -> Table:
    """One row per UTC day, or per week where they are many, the latest first."""
    rows = tuple(
        TableRow(
            words.day(each.first),
            (words.count(each.registered), words.count(each.app_loaded)),
            note=_until(each),
            mark=tips.gaps(each, named=1),
        )
        for each in reversed(periods)
    )
    unit = "Day" if not periods or periods[0].length == 1 else "Week"
    headings = (f"{unit} (UTC)", "Registrations", "Loads of the app")
    return Table(f"Events by UTC {unit.lower()}", headings, rows)


def lines(result: ConversionResult) -> Table | None:
    """What became of the lines; their sum is the first row."""
    if result.events is None:
        return None
    whole = result.events.lines
    rows = tuple(
        TableRow(
            name,
            (words.count(number), words.rate(Figures(whole, number).conversion_rate)),
            note=meaning,
            style="" if index else "total",
        )
        for index, (name, number, meaning) in enumerate(words.reconciliation(result.events))
    )
    return Table("What became of every line", ("", "Lines", "Share"), rows)


def rejected(result: ConversionResult) -> Table | None:
    """Rejected lines by reason, the most frequent first."""
    if result.events is None or not result.events.rejected:
        return None
    reasons = sorted(result.events.rejected_by_reason.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple(
        TableRow(
            reason,
            (
                words.count(number),
                words.rate(Figures(result.events.rejected, number).conversion_rate),
            ),
            note=words.REASONS[Reason(reason)],
        )
        for reason, number in reasons
    )
    return Table("Rejected lines by reason", ("Reason", "Lines", "Share of rejected"), rows)


def quality(result: ConversionResult) -> Table:
    """Counts of events that say how far the logs can be trusted."""
    return Table("Events that look odd", ("", "Events"), tuple(_quality_rows(result)))


def _quality_rows(result: ConversionResult) -> Iterator[TableRow]:
    counts = result.quality
    for name, events, meaning in (
        (
            "Duplicate registrations",
            counts.duplicate_registrations,
            "further registrations of a user; the earliest counts",
        ),
        (
            "Loads without registration",
            counts.loads_without_registration,
            "by users whose registration is not in these logs; not counted",
        ),
        (
            "Loads before registration",
            counts.loads_before_registration,
            "earlier than the user's own registration; not counted",
        ),
    ):
        yield TableRow(name, (words.count(events),), meaning)
    if counts.events_after_as_of:
        number = words.count(counts.events_after_as_of)
        yield TableRow("Events after the chosen day", (number,), "left out, as --as-of asks")


def _until(each: Period) -> str:
    if each.length == 1:
        return ""
    return f"to {words.day(each.first + timedelta(days=each.length - 1))}"


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        words.count(figures.total_registered),
        words.count(figures.total_converted),
        words.rate(figures.conversion_rate),
        words.bounds(figures.interval),
    )
