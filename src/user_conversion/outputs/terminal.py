"""The answer in a terminal: tables and sentences that fit its width."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from user_conversion.answer.figures import Figures, Segmentation
from user_conversion.answer.results import ConversionResult
from user_conversion.outputs import render, sentences, words
from user_conversion.outputs.columns import Column, fitting_table
from user_conversion.rules.log_format import DEFAULT
from user_conversion.rules.printing import printable

if TYPE_CHECKING:
    from rich.table import Table

    from user_conversion.answer.record import RunRecord
    from user_conversion.inputs.inspection.inspection import Inspection
    from user_conversion.jobs.events_split.job import SplitResult
    from user_conversion.rules.counts import EventCounts

BAR_WIDTH = 16
PIPED_WIDTH = 112
LONGEST_NAME = 40
# Names and marks may take several lines, but none of a narrower column than this.
NAME_WIDTH = 20
NOTE_WIDTH = len(words.SMALL_SAMPLE)
FILES_NAMED = 5
FIELDS_SHOWN = 40
# Which figures a narrow terminal does without first.
FIGURE_RANKS = (1, 1, 0, 3)


def console() -> Console:
    """Standard output; a pipe gets lines of a fixed width without colours."""
    width, height = shutil.get_terminal_size((PIPED_WIDTH, 25))
    # Texts come from the logs, so nothing in them is markup.
    out = Console(width=width, height=height, highlight=False, markup=False, emoji=False)
    if not out.is_terminal:
        out.width = PIPED_WIDTH
    return out


def show_outcome(
    record: RunRecord,
    split: SplitResult | None,
    format: str,  # noqa: A002
    page: str = "",
) -> None:
    """Print what a run read and found; what became of files, and notes, on standard error."""
    if split:
        show_files(split)
    show_notes(record.notes)
    if format == "json":
        print(render(record, "json"), end="")
        return
    out = console()
    if split:
        show_events(out, split)
    show_conversion(out, record.conversion)
    if page:
        out.print(f"Report: {printable(page)}", soft_wrap=True)


def show_notes(notes: Sequence[str]) -> None:
    """Print sentences on standard error, one on a line."""
    for note in notes:
        print(printable(note), file=sys.stderr)


def show_files(split: SplitResult) -> None:
    """Say what became of files, on standard error: skipped, gone, delivered again."""
    skipped = [f"{file.path} ({file.reason})" for file in split.skipped]
    _show_some(f"Skipped {words.number_of(len(skipped), 'file')}:", skipped)
    if split.gone:
        kept = "were left out" if split.rebuild else "stay"
        gone = words.number_of(
            split.gone, "file that was read before is", "files that were read before are"
        )
        show_notes([f"{gone} gone from the input; the events {kept}."])
    replaced = words.number_of(len(split.replaced), "file")
    _show_some(f"Other events, which replace the former, of {replaced}:", split.replaced)


def _show_some(heading: str, files: Sequence[str]) -> None:
    more = len(files) - FILES_NAMED
    named = [f"  {printable(file)}" for file in files[:FILES_NAMED]]
    rest = [f"  and {more:,} more, listed in run.json"] if more > 0 else []
    show_notes([heading, *named, *rest] if files else [])


def show_events(out: Console, split: SplitResult) -> None:
    """Print how the lines were counted."""
    if split.log_format.name != DEFAULT:
        _print(out, f"Log format: {printable(split.log_format.name)}")
    _print(out, lines_sentence(split.total))
    if split.total.rejected:
        reasons = split.total.rejected_by_reason.items()
        listed = ", ".join(f"{name} {number:,}" for name, number in reasons)
        _print(out, f"Rejected: {listed} (kept in rejected_events)")
    if not split.files:
        _print(out, "No new input; the published events are unchanged.")
    elif split.why != "nothing read before":
        _print(out, f"Files read in this run: {len(split.files):,} ({split.why})")


def lines_sentence(counts: EventCounts) -> str:
    """How many lines were read, as the sum of what they were."""
    _, *terms = words.reconciliation(counts)
    return f"Lines: {counts.lines:,} = " + " + ".join(f"{n:,} {name}" for name, n, _ in terms)


def show_conversion(out: Console, result: ConversionResult) -> None:
    """Print the table of weeks, the segments that were asked for, and the rates."""
    heading = _wrapped(out, f"{words.TITLE}  {sentences.context(result)}")
    heading.stylize("bold", 0, len(words.TITLE))
    out.print(heading)
    _print(out, f"Converted: {result.counted_as.summary}.", "dim")
    if result.weeks:
        out.print(weeks_table(result, out.width))
    if result.asked:
        show_segments(out, result.asked)
    for sentence in filter(None, [sentences.unfinished(result), *sentences.warnings(result)]):
        _print(out, sentence, "yellow")
    _print(out, total_line(result), "bold")
    _print(out, complete_line(result.complete))


def show_change(out: Console, result: ConversionResult, late: bool) -> None:
    """Print whether the newest complete week differs from those before, and that logs are late."""
    compared = result.change.segments
    if compared:
        _print(out, f"Compared with earlier weeks  {sentences.context(result)}")
        names = ["All users", *(words.segment(e) for e in compared[1:])]
        columns = [
            Column(f"Week {result.change.registration_week}", names, folded_at=NAME_WIDTH),
            Column("Registered", [words.count(e.total_registered) for e in compared], 2, "right"),
            Column("Converted", [words.count(e.total_converted) for e in compared], 2, "right"),
            Column("Rate", [words.rate(e.conversion_rate) for e in compared], 0, "right"),
            Column("Usual", [words.bounds(e.usual) for e in compared], 0, "right"),
            Column("", ["changed" if e.changed else "" for e in compared]),
        ]
        out.print(fitting_table(columns, out.width))
    _print(out, sentences.newest_week(result), "bold")
    if late:
        _print(out, sentences.late(result), "bold")


def show_segments(out: Console, compared: Segmentation) -> None:
    """Print the table of segments, and whether they differ."""
    if compared.segments:
        _print(out, f"By {compared.by}, complete weeks only:")
        out.print(segments_table(compared, out.width))
    _print(out, sentences.comparison(compared))


def show_inspection(out: Console, found: Inspection) -> None:
    """Print what some logs are, and the command that reads them."""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in found.kinds.items())
    _print(out, f"Files: {found.files:,} (looked into: {kinds})")
    _print(out, f"Records looked at: {found.records:,}")
    if found.time_span:
        first, last = (f"{time:%Y-%m-%d %H:%M:%S} UTC" for time in found.time_span)
        _print(out, f"Times: {first} to {last}")
    _print(out, f"Log format: {found.log_format or 'none of the presets'}")
    if found.event_names:
        names = [words.name(name, LONGEST_NAME) for name in found.event_names]
        numbers = [words.count(number) for number in found.event_names.values()]
        columns = [Column("Event", names, folded_at=NAME_WIDTH), Column("Records", numbers)]
        out.print(fitting_table(columns, out.width))
    fields = found.fields[:FIELDS_SHOWN]
    columns = [
        Column("Field", [printable(each.path) for each in fields], folded_at=NAME_WIDTH),
        Column("In records", [f"{each.share:.0%}" for each in fields], rank=1),
        Column("Values", [printable(each.form) for each in fields], folded_at=NAME_WIDTH),
    ]
    out.print(fitting_table(columns, out.width))
    for note in found.notes:
        _print(out, note, "yellow")
    _print(out, "To compute the conversion of these logs:", "bold")
    # Without line breaks, so that it can be copied.
    out.print(f"  {printable(found.command)}", soft_wrap=True)


def weeks_table(result: ConversionResult, width: int = PIPED_WIDTH) -> Table:
    """One row per registration week, in so many characters."""
    weeks = result.weeks
    columns = [
        Column("Week", [week.registration_week for week in weeks]),
        Column("Starts", [week.week_start.isoformat() for week in weeks], rank=2),
        *_figures(weeks),
        Column("", [words.notes(week) for week in weeks], folded_at=NOTE_WIDTH),
    ]
    return fitting_table(columns, width, ["" if week.complete else "dim" for week in weeks])


def segments_table(compared: Segmentation, width: int = PIPED_WIDTH) -> Table:
    """One row per segment over complete weeks, in so many characters."""
    names = [words.segment(each, LONGEST_NAME) for each in compared.segments]
    columns = [
        Column(compared.by, names, folded_at=NAME_WIDTH),
        *_figures(compared.segments),
        Column("", [words.notes(each) for each in compared.segments], folded_at=NOTE_WIDTH),
    ]
    return fitting_table(columns, width)


def total_line(figures: Figures) -> str:
    """The metric over all registrations."""
    return f"Conversion rate: {_rate_of_users(figures)}"


def complete_line(figures: Figures) -> str:
    """The metric over complete weeks, with its interval."""
    if not figures.interval:
        return "Complete weeks only: none yet"
    low, high = figures.interval
    interval = f"{words.INTERVAL} {low:.2f} to {high:.2f}\N{NO-BREAK SPACE}%"
    return f"Complete weeks only: {_rate_of_users(figures)}, {interval}"


def _rate_of_users(figures: Figures) -> str:
    return f"{words.rate(figures.conversion_rate)} ({words.users(figures)})"


def _figures(figures: Sequence[Figures]) -> list[Column]:
    """The columns of figures. Narrow terminals do without those of the highest ranks."""
    rates = [each.conversion_rate or 0.0 for each in figures]
    large = [rate for each, rate in zip(figures, rates, strict=True) if not each.is_small]
    scale = max(large or rates, default=0.0) or 1.0
    cells = zip(*map(words.cells, figures), strict=True)
    columns = words.FIGURE_HEADINGS, cells, FIGURE_RANKS
    bars = ["█" * min(BAR_WIDTH, round(BAR_WIDTH * rate / scale)) for rate in rates]
    return [
        *(Column(name, column, rank, "right") for name, column, rank in zip(*columns, strict=True)),
        Column("", bars, 4),
    ]


def _print(out: Console, sentence: str, style: str = "") -> None:
    out.print(_wrapped(out, sentence), style=style)


def _wrapped(out: Console, sentence: str) -> Text:
    """A sentence in lines of the console's width, its rates whole."""
    lines = textwrap.wrap(sentence, out.width, break_on_hyphens=False)
    return Text(words.ordinary_spaces("\n".join(lines)), overflow="ignore", no_wrap=True)
