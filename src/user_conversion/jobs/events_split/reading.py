"""Reads new files into the engine's tables, some at a time: objects of a store go in between."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from user_conversion.engines import engine_description
from user_conversion.inputs.compression import NONE, PARQUET
from user_conversion.inputs.kinds.parquet import texts_of
from user_conversion.inputs.lines import LineFile, chunks
from user_conversion.inputs.preparation import Prepared, grown_files, prepare
from user_conversion.inputs.reading_plan import FileToRead
from user_conversion.jobs.context import Context
from user_conversion.places.progress import READING, watched
from user_conversion.rules.counts import LineCount
from user_conversion.rules.datasets import REJECTED_EVENTS, event_datasets
from user_conversion.rules.errors import EngineError, InputError
from user_conversion.rules.events import CLOCK_TOLERANCE
from user_conversion.rules.paths import FieldPath

if TYPE_CHECKING:
    from user_conversion.inputs.inspection.samples import Records


NO_TEXT = re.compile(r"-?\d[\d.eE+-]*|true|false|[\[{].*", re.DOTALL)


class EventTables:
    """The tables of `Engine.read_events` of several readings as one, under a name."""

    def __init__(self, run: Context, name: str) -> None:
        self._run = run
        self._name = name
        self._parts = 0

    def read(self, files: Sequence[LineFile], again: bool = False) -> list[LineCount]:
        """Read more files; `again` in place of those that were read last."""
        self._parts += not again
        latest = self._run.started + CLOCK_TOLERANCE
        name = f"{self._name}_{self._parts}"
        return self._run.engine.read_events(files, self._run.settings.events, latest, name)

    def publish(self) -> None:
        """Make the tables of events and rejected lines, such as `NAME_app_loaded`."""
        log_format = self._run.settings.events
        kinds = log_format.kinds
        events = event_datasets(log_format.attributes, log_format.id_type, kinds)
        for dataset in (*events, REJECTED_EVENTS):
            parts = (f"{self._name}_{n}_{dataset.name}" for n in range(1, self._parts + 1))
            union = " UNION ALL ".join(f"SELECT * FROM {part}" for part in parts)
            self._run.engine.create_view(f"{self._name}_{dataset.name}", union)


@dataclass
class Reading:
    """What was read so far, and the counts of its lines by file.

    `unseen` are the names of events that no line has, of those to look for.
    """

    run: Context
    named: Collection[Path]
    unseen: list[str] = field(default_factory=list)
    prepared: Prepared = field(default_factory=Prepared)
    counted: list[LineCount] = field(default_factory=list)

    @cached_property
    def tables(self) -> EventTables:
        """The tables of the events and rejected lines."""
        return EventTables(self.run, "new")

    def add(self, new: Sequence[FileToRead]) -> None:
        """Read files that are here now, or whose objects are.

        If the engine refuses compressed files, they are decompressed for it: Python reads what
        other tools refuse, such as zeros behind the last gzip member. A file that was written to
        meanwhile is read from a copy of what it was.
        """
        shutil.rmtree(self._converted, ignore_errors=True)
        with watched("Converting files"):
            prepared = self._prepare(new)
        counted: list[LineCount] = []
        if prepared.files:
            with watched(READING):
                prepared, counted = self._read(new, prepared)
            paths = self.run.settings.events.fields["event"]
            self.unseen = names_without_lines(self.unseen, prepared.files, paths)
        first = len(self.prepared.files)
        self.counted += (each._replace(file=first + each.file) for each in counted)
        self.prepared.add(prepared)

    def sample(self) -> Records:
        """The first records of some of the files, which are brought here again if need be."""
        from user_conversion.inputs.inspection.samples import records_of, spread

        files = spread(self.prepared.files)
        if all(file.path.exists() for file in files):
            return records_of(files)
        read = [self.prepared.plan[file.origin] for file in files]
        again = {each.file: each for each in read}
        records: Records = []
        for some, _ in self.run.objects.batches(again):
            shutil.rmtree(self._converted, ignore_errors=True)
            records += records_of(self._prepare([again[each] for each in some]).files)
        return records

    @property
    def _converted(self) -> Path:
        return self.run.scratch / "converted"

    def _prepare(
        self, new: Sequence[FileToRead], copied: Collection[Path] = (), decompress: bool = False
    ) -> Prepared:
        """The lines of files; those `copied` as they were when the run began.

        Compressed files are left to the engine as far as it reads them, unless told to
        `decompress`.
        """
        settings = self.run.settings
        compressions = engine_description(settings.engine).compressions
        read = frozenset() if decompress else compressions
        return prepare(new, settings.events, read, self._converted, self.named, copied)

    def _read(
        self, new: Sequence[FileToRead], prepared: Prepared
    ) -> tuple[Prepared, list[LineCount]]:
        try:
            counted = self.tables.read(prepared.files)
        except (InputError, EngineError):
            if not grown_files(prepared):
                if all(file.compression == NONE for file in prepared.files):
                    raise
                prepared = self._prepare(new, decompress=True)
                counted = self.tables.read(prepared.files, again=True)
        if grown := grown_files(prepared):
            prepared = self._prepare(new, grown)
            counted = self.tables.read(prepared.files, again=True)
        if self.run.publication.remote:
            where_they_are = {each.origin for each in prepared.files if each.address}
            self.run.objects.require_unchanged(prepared.plan[n].file for n in where_they_are)
        return prepared, counted


def names_without_lines(
    names: Sequence[str], files: Iterable[LineFile], paths: Iterable[FieldPath]
) -> list[str]:
    """Those of some names that stand as a JSON text in none of the files.

    `paths` lead to the names, for files of which the engine reads the columns.
    """
    columns = [str(path[0]) for path in paths]
    # A name such as 7 may be a number in the records.
    searched = [name for name in names if not NO_TEXT.fullmatch(name)]
    written = {name: {json.dumps(name).encode(), f'"{name}"'.encode()} for name in searched}
    overlap = max((len(text) for texts in written.values() for text in texts), default=0)
    for file in files if written else ():
        before = b""
        is_table = file.compression == PARQUET
        for chunk in texts_of(file.path, file.source, columns) if is_table else chunks(file):
            text = before + chunk
            for name in [name for name, forms in written.items() if any(f in text for f in forms)]:
                del written[name]
            if not written:
                return []
            before = text[-overlap:]
    return list(written)
