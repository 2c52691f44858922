"""Figures of the answer: how many users registered, how many converted, and what follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Self

from msgspec import Meta, Struct

from user_conversion.answer.statistics import SMALL_SAMPLE, percent, wilson_interval

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Interval = tuple[Percent, Percent]


class Figures(Struct, frozen=True):
    """Registered users, how many of them converted, the rate, and its 95 % Wilson interval.

    Rate and interval are percent with two decimals, None without registered users. Raises
    `ValueError` if more users converted than registered.
    """

    total_registered: Count
    total_converted: Count
    conversion_rate: Percent | None
    interval: Interval | None

    def __post_init__(self) -> None:
        if self.total_converted > self.total_registered:
            raise ValueError("more users converted than registered")

    @classmethod
    def of(cls, registered: int, converted: int, **more: Any) -> Self:
        """The figures of so many users; `more` are the other fields of a subclass."""
        rate, interval = percent(converted, registered), wilson_interval(converted, registered)
        return cls(registered, converted, rate, interval, **more)

    @classmethod
    def pooled(cls, figures: Iterable[Figures], **more: Any) -> Self:
        """All users together; never an average of rates."""
        figures = list(figures)
        registered = sum(each.total_registered for each in figures)
        return cls.of(registered, sum(each.total_converted for each in figures), **more)

    @property
    def is_small(self) -> bool:
        """Whether the rate is of so few users that it needs a warning."""
        return self.total_registered < SMALL_SAMPLE


class Group(Figures, frozen=True, kw_only=True):
    """The figures of one group of users; a `small_sample` needs a warning."""

    small_sample: bool

    @classmethod
    def of(cls, registered: int, converted: int, **more: Any) -> Self:
        """See `Figures.of`."""
        small = registered < SMALL_SAMPLE
        return super().of(registered, converted, small_sample=small, **more)
