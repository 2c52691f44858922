"""Raw events in, Parquet partitioned by day out: the job `events-split`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from user_conversion.inputs.duckdb_reader import MEMORY_LIMIT
from user_conversion.inputs.files import Found, find_files, is_standard_input, spooled
from user_conversion.inputs.input_file import STANDARD_INPUT, InputFile, SkippedFile
from user_conversion.inputs.ledger import Batch, Ledger
from user_conversion.inputs.preparation import Prepared, require_logs
from user_conversion.inputs.reading_plan import FileToRead, KnownFile, ReadingPlan
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split import unfinished
from user_conversion.jobs.events_split.checks import (
    check_events,
    check_lines,
    counts_by_file,
    known_files,
    not_utf_8,
    on_first_reading,
    read_twice,
)
from user_conversion.jobs.events_split.event_datasets import stage_events
from user_conversion.jobs.events_split.reading import Reading
from user_conversion.jobs.events_split.replaced import Replaced, read_kept_days
from user_conversion.places.layout import LEDGER
from user_conversion.places.progress import watched
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import DatasetError, InputError
from user_conversion.rules.log_format import LogFormat


@dataclass(frozen=True)
class SplitResult:
    """What this run read, and the ledgers of what was and of what will be published.

    `files` were read in this run and `read` counts their lines; `skipped` are not logs or not new.
    `gone` is the number of known files that were not found, `replaced` are the paths of those that
    have other content now. `rebuild` says that these are all events there are, and `why`. `notes`
    are sentences for people.
    """

    log_format: LogFormat
    files: tuple[KnownFile, ...]
    skipped: tuple[SkippedFile, ...]
    gone: int
    replaced: tuple[str, ...]
    rebuild: bool
    why: str
    notes: tuple[str, ...]
    read: EventCounts
    before: Ledger
    ledger: Ledger

    @property
    def has_read(self) -> bool:
        """Whether the engine has the tables of `Engine.read_events`."""
        return self.ledger.batches != self.before.batches

    @property
    def total(self) -> EventCounts:
        """The lines behind all events that will be published."""
        return self.ledger.counts


def split_events(run: Context) -> SplitResult:
    """Read what is new among the input files and stage the event datasets and the ledger.

    Raises `InputError` if the inputs cannot be read, hold no event of the two kinds, or have too
    many rejected lines.
    """
    MEMORY_LIMIT.set(run.settings.memory_limit)
    plan = _plan(run)
    reading = Reading(run, plan.found.named)
    if plan.rebuild:
        several = (names for names in run.settings.events.events.values() if len(names) > 1)
        reading.unseen = list(chain.from_iterable(several))
    for new in _new_files(run, plan):
        reading.add(new)
    prepared = reading.prepared
    if plan.rebuild:
        require_logs(prepared)
    ledger, counts, replaced = _without(plan, prepared), EventCounts(), Replaced()
    notes: tuple[str, ...] = ()
    if prepared.files:
        reading.tables.publish()
        by_file = counts_by_file(reading)
        check_lines(reading, by_file)
        counts = sum(by_file, EventCounts())
        read = known_files(reading, by_file)
        replaced = Replaced.of(prepared.plan, plan.files.present, plan.files.gone)
        ledger = _with(run, ledger, prepared, read)
        before = plan.published.counts if plan.published else EventCounts()
        notes = (*check_events(reading, ledger.counts, before), *not_utf_8(run.engine))
        if plan.rebuild:
            notes = (*notes, *on_first_reading(reading))
        read_kept_days(run, replaced, ledger)
        with watched("Writing days"):
            ledger = stage_events(run, ledger, plan.rebuild, prepared, replaced)
    notes = (*notes, *read_twice(ledger.files))
    run.publication.write_json(LEDGER, ledger)
    return SplitResult(
        run.settings.events,
        tuple(prepared.inputs),
        (*plan.found.skipped, *plan.files.skipped, *prepared.skipped),
        len(plan.gone),
        tuple(each.path for each in replaced.files),
        plan.rebuild,
        plan.why,
        notes,
        counts,
        plan.ledger,
        ledger,
    )


@dataclass(frozen=True)
class _Plan:
    """The ledger to continue, the files to read, and why these; all files that were found.

    `changed` are the files that may be new, `published` is the ledger of the output.
    """

    found: Found
    ledger: Ledger
    files: ReadingPlan
    changed: list[InputFile]
    why: str
    published: Ledger | None

    @property
    def rebuild(self) -> bool:
        """Whether everything is read and replaces what is published."""
        return not self.ledger.batches

    @property
    def gone(self) -> list[KnownFile]:
        """The known files of which neither the path nor the content was found, after comparing."""
        if self.rebuild and self.published:
            names = {file.name for file in self.changed}
            contents = {each.fingerprint.content for each in self.files.to_read}
            known = (each for each in self.published.files if each.content.size)
            return [e for e in known if e.path not in names and e.content not in contents]
        return [each for each in self.files.gone if each.path != STANDARD_INPUT]


def _plan(run: Context) -> _Plan:
    with watched("Looking for files"):
        found, published = _find(run), _published_ledger(run)
        log_format, why = run.settings.events, "new files"
        if published is None:
            why = "nothing read before"
        elif run.settings.full_refresh:
            why = "as asked for"
        elif not published.was_read_as(log_format):
            why = "the log format changed"
        ledger = published if published and why == "new files" else Ledger.new(log_format)
        files = ReadingPlan(log_format, ledger.files)
        return _Plan(found, ledger, files, files.changed(found.files), why, published)


def _new_files(run: Context, plan: _Plan) -> Iterator[list[FileToRead]]:
    """The new files, some at a time, with their objects here.

    Files that may have grown come last: what they are is known when all were compared.
    """
    late: dict[InputFile, FileToRead] = {}
    for files, are_last in run.objects.batches(plan.changed):
        with watched("Looking for new lines"):
            new = plan.files.compare(files)
        if are_last:
            late = {each.file: each for each in (*new, *plan.files.decide())}
            _require_all(run, plan)
            new = [late.pop(file) for file in files if file in late]
        yield new
    if late:
        for files, _ in run.objects.batches(late):
            yield [late[file] for file in files]


def _require_all(run: Context, plan: _Plan) -> None:
    """Raise `InputError` if everything has to be read again and something is gone."""
    if plan.rebuild and plan.gone and not run.settings.full_refresh:
        raise InputError(
            f"{plan.why.capitalize()}, so all inputs have to be read again, but "
            f"{len(plan.gone):,} of them are gone, for example '{plan.gone[0].path}'. Keep the log "
            "format, choose another --output, or rebuild from the inputs given with "
            "--full-refresh."
        )


def _find(run: Context) -> Found:
    """The input files; standard input is one of them if it is asked for."""
    paths = [path for path in run.settings.inputs if not is_standard_input(path)]
    streams = []
    if len(paths) < len(run.settings.inputs):
        streams = [spooled(run.scratch / "inputs")]
    if not paths:
        return Found(streams)
    found = find_files(paths, [run.settings.place], run.settings.excluded, run.objects)
    return Found([*streams, *found.files], found.skipped, found.named)


def _published_ledger(run: Context) -> Ledger | None:
    """The ledger of the output; a rebuild needs none that can be read."""
    try:
        return Ledger.load(run.publication.output)
    except DatasetError:
        if run.settings.full_refresh:
            return None
        raise


def _without(plan: _Plan, prepared: Prepared) -> Ledger:
    """The ledger with the known files where they are now, but for those that are read anew."""
    if plan.rebuild:
        return msgspec.structs.replace(plan.ledger, files=())
    read = {id(new) for new in prepared.plan if prepared.files}
    stay = (new for new in plan.files.to_read if id(new) not in read)
    left = [known for new in stay for known in (new.known, *new.replaces) if known]
    files = (*plan.files.present, *plan.files.gone, *left)
    return msgspec.structs.replace(plan.ledger, files=files)


def _with(run: Context, ledger: Ledger, prepared: Prepared, read: Sequence[KnownFile]) -> Ledger:
    """The ledger with the files of this run, together with what was known of those that grew."""
    pairs = zip(prepared.plan, read, strict=True)
    joined = [
        unfinished.continued(new, each, prepared.begun.get(place, ()))
        for place, (new, each) in enumerate(pairs)
    ]
    joined.sort(key=lambda each: each.path.split("/"))
    batch = Batch(run.started.isoformat(), run.settings.engine)
    return ledger.with_files(batch, [*ledger.files, *joined])
