"""The figures of the page as tables: captions, headings and cells as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from user_conversion.answer.cohorts import FirstLoads
from user_conversion.answer.figures import Figures, Segmentation
from user_conversion.answer.record import RunRecord
from user_conversion.answer.results import ConversionResult, Quality
from user_conversion.answer.statistics import percent
from user_conversion.answer.weekly_forecasts import Accuracy
from user_conversion.answer.weeks import WeekResult
from user_conversion.outputs import words
from user_conversion.outputs.folding import Period
from user_conversion.outputs.page import tips
from user_conversion.rules.log_format import APP_LOADED, REGISTERED, RecordedLogFormat
from user_conversion.rules.printing import printable

# Short, so that the table fits beside its chart.
FIGURE_HEADINGS = ("Users", *words.FIGURE_HEADINGS[1:])


@dataclass(frozen=True)
class TableRow:
    """A row: its name with a note below and marks beside it, its cells, and its style."""

    head: str
    cells: tuple[int | str, ...]
    note: str = ""
    marks: Sequence[str] = ()
    style: str = ""


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; `text` if the other cells are not numbers.

    A `whole` table is shown in full, others scroll if they are long.
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
        cells = words.cells(week)
        rows.append(TableRow(week.registration_week, cells, note, words.marks(week), style))
    return Table("Conversion by registration week", ("Week", *FIGURE_HEADINGS), tuple(rows))


def segments(compared: Segmentation, all_users: Figures) -> Table:
    """One row per segment over complete weeks, and one for all users."""
    rows = [
        TableRow(
            words.segment(each),
            words.cells(each),
            marks=words.marks(each),
            style="rest" if each.others else "",
        )
        for each in compared.segments
    ]
    if rows:
        rows.append(TableRow("All users", words.cells(all_users), style="total"))
    caption = f"Conversion by {compared.by} over complete weeks"
    headings = (compared.by.replace("_", " ").capitalize(), *FIGURE_HEADINGS)
    return Table(caption, headings, tuple(rows), whole=True)


def forecasts(found: Sequence[Accuracy], week_start: str) -> Table:
    """One row per day of the window."""
    rows = tuple(
        TableRow(
            f"Day {each.day + 1}",
            (
                each.weeks,
                words.rate(each.share_within),
                f"{each.mean_error:.2f}",
                f"{each.mean_width:.2f}",
            ),
            note=words.day_of_window(each.day, week_start),
        )
        for each in found
    )
    headings = ("Observed through", "Weeks", "Within interval", "Mean error", "Mean width")
    return Table("Forecasts of complete weeks by day, in points", headings, rows, whole=True)


def first_loads(loads: FirstLoads) -> Table:
    """One row per day after the registration."""
    rows = tuple(
        TableRow(
            "0 (first 24 hours)" if each.day == 0 else str(each.day),
            (each.observed, each.loaded, words.rate(each.share), words.rate(each.share_by_then)),
        )
        for each in loads.days
    )
    headings = ("Full days", "Users observed", "First load that day", "Share", "By then")
    return Table("First loads by days since the registration", headings, rows)


def daily(periods: Sequence[Period]) -> Table:
    """One row per UTC day, or per week where they are many, the latest first."""
    rows = tuple(
        TableRow(
            words.day_range(each.first, each.last),
            (each.events[REGISTERED], each.events[APP_LOADED]),
            marks=[mark] if (mark := tips.gaps(each, named=1)) else (),
        )
        for each in reversed(periods)
    )
    unit = "Day" if not periods or periods[0].is_day else "Week"
    headings = (f"{unit} (UTC)", "Registrations", "Loads of the app")
    return Table(f"Events by UTC {unit.lower()}", headings, rows)


def quality(result: ConversionResult) -> Iterator[Table]:
    """The lines by outcome, rejected ones by reason, and what the metric does not use."""
    counts = result.events
    whole, *parts = (
        TableRow(name, _share(number, counts.lines), note=meaning)
        for name, number, meaning in words.reconciliation(counts)
    )
    rows = (replace(whole, style="total"), *parts)
    yield Table("Lines by outcome", ("", "Lines", "Share"), rows)
    if counts.rejected:
        # The most frequent reason first.
        reasons = sorted(counts.rejected_by_reason.items(), key=lambda each: (-each[1], each[0]))
        yield Table(
            "Rejected lines by reason",
            ("Reason", "Lines", "Share of rejected"),
            tuple(
                TableRow(words.reason(name), _share(number, counts.rejected), note=name)
                for name, number in reasons
            ),
        )
    yield _unused(result.quality)


def _unused(counts: Quality) -> Table:
    duplicates = counts.duplicate_registrations
    unknown, early = counts.loads_without_registration, counts.loads_before_registration
    rows = [
        ("Duplicate registrations", duplicates, "later registrations of a registered user"),
        ("Loads without registration", unknown, "the user's registration is not in these logs"),
        ("Loads before registration", early, "earlier than the user's registration"),
    ]
    if counts.events_after_as_of:
        rows.append(("Events after the last day", counts.events_after_as_of, "set by --as-of"))
    return Table(
        "Events that are not used",
        ("", "Events"),
        tuple(TableRow(name, (events,), note) for name, events, note in rows),
    )


def parameters(record: RunRecord) -> Table:
    """One row per version and option of the run."""
    engine = record.jobs.rate.engine if record.jobs.rate else record.engine
    rows = {"Computed": words.moment(record.computed_at), "Engine": engine}
    rows |= {f"Version of {name}": version for name, version in record.versions.items()}
    options = record.parameters
    if log_format := options.pop("log_format", None):
        rows["Log format"] = _log_format(log_format)
    rows |= {f"Option {name.replace('_', '-')}": _option(options[name]) for name in options}
    return Table(
        "Versions and parameters",
        ("", ""),
        tuple(TableRow(name, (printable(value),)) for name, value in rows.items()),
        text=True,
    )


def _log_format(found: RecordedLogFormat) -> str:
    """The name of a log format, and what the events are called where their names differ."""
    events = found.events.items()
    renamed = (
        f"{kind} is {' or '.join(names)}" for kind, names in events if names not in ((), (kind,))
    )
    return ", ".join([found.name, *renamed])


def _option(value: Any) -> str:
    """The value of an option as on the command line."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _share(number: int, whole: int) -> tuple[int, str]:
    return number, words.rate(percent(number, whole))
