"""The record of a run, `run.json` in the output folder: how it went and what it found."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict

from user_conversion.answer.figures import Count
from user_conversion.answer.results import ConversionResult
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.errors import DatasetError
from user_conversion.rules.job_names import CONVERSION, SPLIT
from user_conversion.rules.log_format import RecordedLogFormat
from user_conversion.rules.weeks import MONDAY

Instant = Annotated[datetime, Meta(tz=True)]


class SkippedPath(Struct, frozen=True):
    """A file that was not read."""

    path: str
    reason: str


Texts = tuple[str, ...]


class SplitParameters(Struct, frozen=True):
    """The options of `events-split`."""

    input: Texts
    exclude: Texts
    max_rejected: float
    full_refresh: bool
    log_format: RecordedLogFormat


class ConversionParameters(Struct, frozen=True):
    """The options of `conversion-rate`."""

    definition: str
    timezone: str
    as_of: date | None
    by: str | None
    week_start: str = MONDAY


class Job(Struct, frozen=True, kw_only=True):
    """The last run of a job, and how many seconds it took."""

    run_at: Instant
    engine: str
    seconds: float


class SplitJob(Job, frozen=True, kw_only=True):
    """The last run of `events-split`, what it read, and all lines behind the published events."""

    parameters: SplitParameters
    files_read: Count
    files_gone: Count
    files_replaced: Texts
    skipped: tuple[SkippedPath, ...]
    counts: EventCounts
    total: EventCounts | None = None


class ConversionJob(Job, frozen=True, kw_only=True):
    """The last run of `conversion-rate`, the answer, and a hash of the state that goes with it."""

    parameters: ConversionParameters
    state: str = ""
    result: ConversionResult


class Jobs(Struct, frozen=True, omit_defaults=True, rename={"split": SPLIT, "rate": CONVERSION}):
    """The last run of each job, if any."""

    split: SplitJob | None = None
    rate: ConversionJob | None = None


class RunRecord(Struct, frozen=True, kw_only=True, tag_field="version", tag=2):
    """The last run, with the last run of each job; `definition` and `timezone` of the answer.

    `notes` are sentences on what a person would want to know, `title` is that of the page,
    `output` where the datasets are.
    """

    command: str
    run_at: Instant
    engine: str
    versions: dict[str, str]
    definition: str | None
    timezone: str | None
    seconds: float
    notes: Texts = ()
    title: str | None = None
    output: str = ""
    jobs: Jobs

    @property
    def conversion(self) -> ConversionResult:
        """The last answer. Raises `DatasetError` if there is none."""
        if self.jobs.rate is None:
            raise DatasetError(f"No conversion has been computed here yet: run {CONVERSION} first.")
        return self.jobs.rate.result

    @property
    def computed_at(self) -> datetime:
        """When the run of the last answer began."""
        return self.jobs.rate.run_at if self.jobs.rate else self.run_at

    @property
    def parameters(self) -> dict[str, Any]:
        """The options of the last run of each job, by name."""
        split, rate = self.jobs.split, self.jobs.rate
        options = asdict(split.parameters) if split else {}
        return options | (asdict(rate.parameters) if rate else {})
