"""The answer in a terminal: tables and sentences."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from user_conversion.log_format import DEFAULT
from user_conversion.outputs import sentences, words
from user_conversion.results import ConversionResult, Figures, Segmentation

if TYPE_CHECKING:
    from user_conversion.inputs.files import SkippedFile
    from user_conversion.inspection import Inspection
    from user_conversion.jobs.events_split import SplitResult

BAR_WIDTH = 16
PIPED_WIDTH = 110
WIDE = 90
LONGEST_NAME = 40
FILES_NAMED = 5
FIELDS_SHOWN = 40


def console() -> Console:
    """Standard output; a pipe gets lines of a fixed width without colours."""
    # Texts come from the logs, so nothing in them is markup.
    create = partial(Console, highlight=False, markup=False, emoji=False)
    out = create()
    return out if out.is_terminal else create(width=PIPED_WIDTH)


def show_skipped(files: Sequence[SkippedFile]) -> None:
    """Name the files of input folders that are not logs, on standard error."""
    if not files or sys.stderr is None:
        return
    number = words.number_of(len(files), "file")
    print(f"Not read: {number}", file=sys.stderr)
    for file in files[:FILES_NAMED]:
        print(f"  {words.printable(str(file.path))} ({file.reason})", file=sys.stderr)
    if len(files) > FILES_NAMED:
        print(f"  and {len(files) - FILES_NAMED:,} more, listed in run.json", file=sys.stderr)


def show_events(out: Console, split: SplitResult) -> None:
    """Print how the lines were counted."""
    counts = split.total
    if split.log_format.name != DEFAULT:
        out.print(f"Log format: {words.printable(split.log_format.name)}")
    _, *terms = words.reconciliation(counts)
    out.print(f"Lines: {counts.lines:,} = " + " + ".join(f"{n:,} {name}" for name, n, _ in terms))
    if counts.rejected:
        reasons = ", ".join(f"{name} {n:,}" for name, n in counts.rejected_by_reason.items())
        out.print(f"Rejected: {reasons} (kept in rejected_events)")
    if not split.files:
        out.print("No new input; the published events are unchanged.")
    elif split.why != "nothing read before":
        out.print(f"Files read in this run: {len(split.files):,} ({split.why})")


def show_conversion(out: Console, result: ConversionResult) -> None:
    """Print the table of weeks, the segments that were asked for, and the headline."""
    wide = out.width >= WIDE
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    out.print(
        Text.assemble(
            ("Weekly user conversion", "bold"),
            f"  definition {result.definition}, weeks in {result.timezone}{through}",
        )
    )
    out.print(f"Converted: {result.counted_as.summary}.", style="dim")
    out.print(weeks_table(result, wide))
    if result.segmentation:
        out.print(segments_table(result.segmentation, wide))
        out.print(sentences.comparison(result.segmentation))
    for sentence in filter(None, [sentences.unfinished(result), *sentences.warnings(result)]):
        out.print(sentence, style="yellow")
    total = result.total
    out.print(Text(f"Conversion rate: {_rate(total)} ({words.users(total)})", style="bold"))
    out.print(complete_line(result.complete))


def show_inspection(out: Console, found: Inspection) -> None:
    """Print what some logs are, and the command that reads them."""
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in found.kinds.items())
    out.print(f"Files: {found.files:,} (looked into: {kinds})")
    out.print(f"Records looked at: {found.records:,}")
    if found.time_span:
        first, last = (f"{time:%Y-%m-%d %H:%M:%S} UTC" for time in found.time_span)
        out.print(f"Times: {first} to {last}")
    out.print(f"Log format: {found.log_format or 'none of the presets'}")
    if found.event_names:
        table = Table("Event", "Records", box=None, pad_edge=False, header_style="bold")
        for name, number in found.event_names.items():
            table.add_row(words.name(name, LONGEST_NAME), f"{number:,}")
        out.print(table)
    table = Table("Field", "In records", "Values", box=None, pad_edge=False, header_style="bold")
    for each in found.fields[:FIELDS_SHOWN]:
        table.add_row(words.printable(each.path), f"{each.share:.0%}", words.printable(each.form))
    out.print(table)
    out.print("To compute the conversion of these logs:", style="bold")
    out.print(f"  {words.printable(found.command)}", soft_wrap=True)


def weeks_table(result: ConversionResult, wide: bool) -> Table:
    """One row per registration week."""
    table = _table("Week", "Starts", wide=wide)
    scale = max((week.figures.conversion_rate or 0 for week in result.weeks), default=0)
    for week in result.weeks:
        cells = [week.registration_week, week.week_start.isoformat()]
        style = "" if week.complete else "dim"
        _add_row(table, cells, week.figures, wide, scale, words.notes(week.figures, week), style)
    return table


def segments_table(compared: Segmentation, wide: bool) -> Table:
    """One row per segment, over complete weeks."""
    table = _table(f"{compared.by} (complete weeks)", wide=wide)
    scale = max((each.figures.conversion_rate or 0 for each in compared.segments), default=0)
    for each in compared.segments:
        cells = [words.segment(compared.by, each.value, LONGEST_NAME)]
        _add_row(table, cells, each.figures, wide, scale, words.notes(each.figures))
    return table


def complete_line(figures: Figures) -> str:
    """The metric over complete weeks, with its interval."""
    if not figures.interval:
        return "Complete weeks only: none yet"
    low, high = figures.interval
    return (
        f"Complete weeks only: {_rate(figures)} ({words.users(figures)}), "
        f"95 % interval {low:.2f} to {high:.2f} %"
    )


def _table(*keys: str, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for key in keys:
        # Names of segments may be long; on a narrow terminal they and the notes are folded.
        table.add_column(key, no_wrap=key in ("Week", "Starts"), overflow="fold")
    for name in ("Registered", "Converted", "Rate"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("95 % interval", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    return table


def _add_row(
    table: Table,
    keys: list[str],
    figures: Figures,
    wide: bool,
    scale: float,
    notes: str,
    style: str = "",
) -> None:
    cells = [*keys, f"{figures.total_registered:,}", f"{figures.total_converted:,}", _rate(figures)]
    if wide:
        rate = figures.conversion_rate or 0
        bar = "█" * round(BAR_WIDTH * rate / scale) if scale else ""
        cells += [words.bounds(figures.interval), bar]
    table.add_row(*cells, notes, style=style)


def _rate(figures: Figures) -> str:
    # A terminal may show a no-break space as something else.
    return words.rate(figures.conversion_rate).replace("\N{NO-BREAK SPACE}", " ")
