"""The answer of a run: figures, and everything needed to read them correctly.

It is the JSON of `--format json`; docs/reference/json.md documents its keys.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

from user_conversion.answer.change import Change
from user_conversion.answer.cohorts import Cohort, FirstLoads
from user_conversion.answer.figures import Count, Figures, Segment, Segmentation
from user_conversion.answer.finality import Daily, Gaps
from user_conversion.answer.statistics import IndependenceTest
from user_conversion.answer.weekly_forecasts import Accuracy
from user_conversion.answer.weeks import Restated, WeekResult
from user_conversion.rules.counts import EventCounts
from user_conversion.rules.definitions import DEFINITIONS, Definition
from user_conversion.rules.log_format import CHANNEL
from user_conversion.rules.weeks import MONDAY, WEEKDAYS


class Quality(Struct, frozen=True):
    """Counts of events that say how far the logs can be trusted."""

    duplicate_registrations: Count = 0
    loads_without_registration: Count = 0
    loads_before_registration: Count = 0
    events_after_as_of: Count = 0


class Identities(Struct, frozen=True):
    """How many ids count for the user that they became, and which ones need attention.

    Of several users the earliest is used. Ids in circles, of which each became another one, count
    for themselves, as do ids that became what they were.
    """

    ids_joined: Count = 0
    ids_of_several_users: Count = 0
    ids_in_circles: Count = 0
    ids_of_themselves: Count = 0


class ConversionResult(Figures, frozen=True, kw_only=True):
    """The metric under one definition: the whole answer, from which every output is made.

    The figures are those of all registrations, `complete` has those of complete weeks. `channels`
    are the segments by channel, `segments` those by the field that was asked for, if any. `daily`
    has the events by UTC day and kind. `restated` are complete weeks that changed since the last
    answer with the same options; `identities` is None if ids are used as they were logged.
    `latest_day` is the UTC day of the latest event, which may be after `--as-of`. Raises
    `ValueError` if the parts contradict each other.
    """

    definition: str
    timezone: str
    observed_through: date | None
    latest_day: date | None = None
    complete: Figures
    weeks: tuple[WeekResult, ...]
    by: str | None
    segments: tuple[Segment, ...]
    segment_test: IndependenceTest | None
    channels: tuple[Segment, ...]
    channel_test: IndependenceTest | None
    cohorts: tuple[Cohort, ...]
    first_loads: FirstLoads
    gaps: Gaps
    quality: Quality
    events: EventCounts
    change: Change
    past_forecasts: tuple[Accuracy, ...]
    daily: Daily
    restated: tuple[Restated, ...] = ()
    first_weekday: str = MONDAY
    identities: Identities | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latest_day is None and self.daily:
            # Earlier records do not have it, and know no event after `--as-of`.
            msgspec.structs.force_setattr(self, "latest_day", max(self.daily))
        if self.definition not in DEFINITIONS:
            raise ValueError(f"unknown definition '{self.definition}'")
        if self.first_weekday not in WEEKDAYS:
            raise ValueError(f"unknown weekday '{self.first_weekday}'")
        if any(a.week_start >= b.week_start for a, b in pairwise(self.weeks)):
            raise ValueError("weeks are not in order")
        if len({len(each.offsets) for each in self.cohorts}) > 1:
            raise ValueError("cohorts have different numbers of offsets")
        if not self.events.is_consistent:
            raise ValueError("the counts of events do not add up")

    @property
    def counted_as(self) -> Definition:
        """The definition in force."""
        return DEFINITIONS[self.definition]

    @property
    def by_channel(self) -> Segmentation:
        """The segments by channel."""
        return Segmentation(CHANNEL, self.channels, self.channel_test)

    @property
    def asked(self) -> Segmentation | None:
        """The segments that were asked for, if any."""
        return Segmentation(self.by, self.segments, self.segment_test) if self.by else None

    def as_json(self) -> dict[str, Any]:
        """The object that `--format json` prints."""
        document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return document
