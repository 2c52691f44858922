"""What people see in a terminal: tables and sentences. Figures only; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from user_conversion.engines import EventCounts
from user_conversion.results import ConversionResult, Figures, Gaps
from user_conversion.statistics import IndependenceTest, describe

BAR_WIDTH = 16
PIPED_WIDTH = 110
DEFINITIONS = {
    "next-week": "first load in the calendar week directly after the registration week",
    "same-week": "first load in the registration week itself",
    "any-load-next-week": "any load in the calendar week directly after the registration week",
}


def console() -> Console:
    """Standard output; a pipe gets lines of a fixed width and no colour."""
    # Texts come from the logs: nothing in them is markup.
    plain = partial(Console, highlight=False, markup=False, emoji=False)
    out = plain()
    return out if out.is_terminal else plain(width=PIPED_WIDTH)


def show_events(out: Console, counts: EventCounts, read_files: int, why: str) -> None:
    """The reconciliation of lines."""
    out.print(f"Lines: {counts.lines:,} = {reconciliation(counts)}")
    if counts.rejected:
        reasons = ", ".join(f"{name} {n:,}" for name, n in counts.rejected_by_reason.items())
        out.print(f"Rejected: {reasons} (kept in rejected_events)")
    if not read_files:
        out.print("No new input; the published events stay as they are.")
    elif why != "nothing read before":
        out.print(f"Files read in this run: {read_files:,} ({why})")


def reconciliation(counts: EventCounts) -> str:
    """The lines as a sum."""
    return (
        f"{counts.registered:,} registered + {counts.app_loaded:,} app_loaded + "
        f"{counts.other:,} other + {counts.blank:,} blank + {counts.rejected:,} rejected"
    )


def show_conversion(out: Console, result: ConversionResult) -> None:
    """The table of weeks, the segments and the headline."""
    through = f", observed through {result.observed_through}" if result.observed_through else ""
    out.print(
        Text.assemble(
            ("Weekly user conversion", "bold"),
            f"  definition {result.definition}, weeks in {result.timezone}{through}",
        )
    )
    out.print(f"Converted: {DEFINITIONS[result.definition]}.", style="dim")
    out.print(weeks_table(result, wide=out.width >= 90))
    if result.segments:
        out.print(segments_table(result, wide=out.width >= 90))
        for sentence in segment_sentences(result):
            out.print(sentence)
    for sentence in warnings(result):
        out.print(sentence, style="yellow")
    out.print(Text(headline(result), style="bold"))
    out.print(complete_line(result))


def weeks_table(result: ConversionResult, wide: bool) -> Table:
    """One row per registration week."""
    table = _table("Week", "Starts", wide=wide)
    scale = max((week.figures.conversion_rate or 0 for week in result.weeks), default=0)
    for week in result.weeks:
        monday = week.as_json()["week_start"]
        _add_row(
            table,
            [week.registration_week, monday],
            week.figures,
            wide,
            scale,
            notes=[] if week.complete else ["unfinished"],
            style="" if week.complete else "dim",
        )
    return table


def segments_table(result: ConversionResult, wide: bool) -> Table:
    """One row per segment, over complete weeks."""
    table = _table(f"{result.by} (complete weeks)", wide=wide)
    scale = max((segment.figures.conversion_rate or 0 for segment in result.segments), default=0)
    for segment in result.segments:
        _add_row(table, [_printable(segment.name)], segment.figures, wide, scale, [], "")
    return table


def segment_sentences(result: ConversionResult) -> Iterator[str]:
    """What the segments say, in words."""
    if result.by == "device_type":
        yield (
            "device_type is that of the first load, so it splits the converted users; every rate "
            "is of all registered users."
        )
    elif result.segment_test:
        yield describe(IndependenceTest(**result.segment_test))


def warnings(result: ConversionResult) -> Iterator[str]:
    """What a reader must know before believing the figures."""
    if not result.weeks:
        yield "No registrations found: check that the logs hold 'registered' events."
    unfinished = sum(not week.complete for week in result.weeks)
    if unfinished:
        weeks = "week is" if unfinished == 1 else "weeks are"
        yield f"{unfinished} {weeks} unfinished: their users can still convert."
    yield from _gap_sentences(result.gaps)
    if result.quality.events_after_as_of:
        yield f"{result.quality.events_after_as_of:,} events after --as-of are left out."


def _gap_sentences(gaps: Gaps) -> Iterator[str]:
    for what, days in (
        ("any events", gaps.events),
        ("registered events", gaps.registered),
        ("app_loaded events", gaps.app_loaded),
    ):
        if days:
            named = ", ".join(day.isoformat() for day in days[:5])
            more = f" and {len(days) - 5} more" if len(days) > 5 else ""
            yield f"Days without {what} (UTC): {named}{more}. A hole in the logs looks like a fall."


def headline(result: ConversionResult) -> str:
    """The metric over all registrations, as it was first asked for."""
    return f"Conversion rate: {_rate(result.total)} ({_users(result.total)})"


def complete_line(result: ConversionResult) -> str:
    """The metric over complete weeks, with its interval."""
    figures = result.complete
    if not figures.interval:
        return "Complete weeks only: none yet"
    low, high = figures.interval
    return (
        f"Complete weeks only: {_rate(figures)} ({_users(figures)}), "
        f"95 % interval {low:.2f} to {high:.2f} %"
    )


def _table(*keys: str, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for key in keys:
        # Names of segments may be long; on a narrow terminal they and the notes give way.
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
    notes: list[str],
    style: str,
) -> None:
    cells = [*keys, f"{figures.total_registered:,}", f"{figures.total_converted:,}", _rate(figures)]
    if wide:
        low, high = figures.interval or (0, 0)
        cells += [f"{low:.2f}–{high:.2f}", _bar(figures.conversion_rate or 0, scale)]
    if figures.small_sample:
        notes = [*notes, "small sample"]
    table.add_row(*cells, ", ".join(notes), style=style)


def _bar(rate: float, scale: float) -> str:
    return "█" * round(BAR_WIDTH * rate / scale) if scale else ""


def _rate(figures: Figures) -> str:
    rate = figures.conversion_rate
    return "–" if rate is None else f"{rate:.2f} %"


def _users(figures: Figures) -> str:
    return f"{figures.total_converted:,} of {figures.total_registered:,} users"


def _printable(text: str) -> str:
    # Names come from the logs; control characters must not reach the terminal.
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown if len(shown) <= 40 else shown[:39] + "…"
