"""The answer as metrics in Prometheus' text format, for the textfile collector."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from user_conversion.answer.record import RunRecord
from user_conversion.outputs import words

# Name, help, labels and value of a gauge.
Metric = tuple[str, str, dict[str, str], float | None]


def as_prometheus(record: RunRecord) -> str:
    """One gauge per figure; what is not known is left out. Rates are between 0 and 1."""
    lines: list[str] = []
    for name, text, labels, value in _metrics(record):
        if value is None:
            continue
        if f"# TYPE {name} gauge" not in lines:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        pairs = ",".join(f'{key}="{label}"' for key, label in labels.items())
        lines.append(f"{name}{f'{{{pairs}}}' * bool(pairs)} {value:.15g}")
    return "\n".join(lines) + "\n"


def _metrics(record: RunRecord) -> Iterator[Metric]:
    result = record.conversion
    complete, named = result.complete, {"definition": result.definition, "zone": result.timezone}
    yield "user_conversion_rate", "Of complete weeks.", named, _share(complete.conversion_rate)
    yield "user_conversion_registered_users", "Of complete weeks.", named, complete.total_registered
    yield "user_conversion_converted_users", "Of complete weeks.", named, complete.total_converted
    for week in [week for week in result.weeks if week.complete][-1:]:
        name, label = "user_conversion_newest_week_rate", {"week": week.registration_week}
        yield name, "Of the newest complete week.", label, _share(week.conversion_rate)
    yield "user_conversion_changed", "1 if check finds a change.", {}, int(result.change.changed)
    for name, number, _ in words.reconciliation(result.events)[1:]:
        yield "user_conversion_lines", "Lines read, by outcome.", {"outcome": name}, number
    for name, what, day in (
        ("observed_through", "The last whole day.", result.observed_through),
        ("latest_day", "The UTC day of the latest event.", result.latest_day),
    ):
        if day:
            start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
            yield f"user_conversion_{name}_seconds", what, {}, start
    began = record.computed_at.timestamp()
    yield "user_conversion_run_at_seconds", "When the run of the figures began.", {}, began
    if record.computed_at == record.run_at:  # else it is that of a later `events-split`
        yield "user_conversion_run_duration_seconds", "How long it took.", {}, record.seconds


def _share(percent: float | None) -> float | None:
    return None if percent is None else round(percent / 100, 6)
