"""Files that were delivered again with other content: the days that they had are made anew."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from user_conversion.engines import engine_description
from user_conversion.inputs.compression import PARQUET
from user_conversion.inputs.ledger import Ledger
from user_conversion.inputs.preparation import prepare_again
from user_conversion.inputs.reading_plan import FileToRead, KnownFile
from user_conversion.jobs.context import Context
from user_conversion.jobs.events_split.reading import EventTables
from user_conversion.rules.datasets import event_datasets
from user_conversion.rules.errors import InputError


@dataclass(frozen=True)
class Replaced:
    """The files that have other content now, as they were, and their UTC days.

    `others` are the other files that have events of these days, too.
    """

    files: tuple[KnownFile, ...] = ()
    days: frozenset[date] = frozenset()
    others: tuple[KnownFile, ...] = ()

    @classmethod
    def of(
        cls, to_read: Sequence[FileToRead], present: Sequence[KnownFile], gone: Sequence[KnownFile]
    ) -> Replaced:
        """What has to be read again. Raises `InputError` if it is gone."""
        files = tuple(chain.from_iterable(each.replaces for each in to_read))
        days = frozenset(day for each in files for day in each.days)
        continued = [each.known.at(each.file) for each in to_read if each.known]
        known = [*present, *continued]
        for each in gone:
            if days.intersection(each.days):
                raise InputError(
                    f"'{files[0].path}' has other events than when it was read, and of the days "
                    f"that it had, '{each.path}' is gone, too: these days cannot be made anew. Put "
                    "it back, or rebuild from the inputs given with --full-refresh."
                )
        _require_own_sources(files, [*known, *gone])
        return cls(files, days, tuple(each for each in known if days.intersection(each.days)))

    @property
    def names(self) -> frozenset[str]:
        """The days as partitions are called."""
        return frozenset(map(str, self.days))


def _require_own_sources(files: Sequence[KnownFile], others: Sequence[KnownFile]) -> None:
    """Raise `InputError` if rejected lines could be those of either of two files."""
    for replaced in files:
        for other in others:
            same = set(replaced.sources) & set(other.sources)
            if same and replaced.counts.rejected and other.counts.rejected:
                raise InputError(
                    f"'{replaced.path}' has other events than when it was read, and its rejected "
                    f"lines cannot be told from those of '{other.path}', which once had the same "
                    "name. Rebuild from the inputs given with --full-refresh."
                )


def read_kept_days(run: Context, replaced: Replaced, ledger: Ledger) -> None:
    """Read the events that the other files have on the days that are made anew.

    They are in tables whose names begin with `kept_`.
    """
    if not replaced.days:
        return
    tables, scratch = EventTables(run, "again"), run.scratch / "again"
    compressions = engine_description(run.settings.engine).compressions - {PARQUET}
    known = {run.objects.here(each.file): each for each in replaced.others}
    for files, _ in run.objects.batches(known):
        shutil.rmtree(scratch, ignore_errors=True)
        found = [(known[file], file.path) for file in files]
        tables.read(prepare_again(found, run.settings.events, compressions, scratch))
    tables.publish()
    days = ", ".join(f"DATE '{day}'" for day in sorted(replaced.days))
    for dataset in event_datasets(ledger.attributes, ledger.id_type, ledger.log_format.kinds):
        run.engine.create_view(
            f"kept_{dataset.name}",
            f"SELECT * FROM again_{dataset.name} WHERE CAST(time AS DATE) IN ({days})",
        )
