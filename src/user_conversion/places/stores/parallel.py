"""Many requests at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

REQUESTS_AT_ONCE = 16
# What is handed to the threads at once: each of a million would take memory.
SLICE = 4096
T = TypeVar("T")


def all_of(do: Callable[[T], Any], items: Iterable[T]) -> None:
    """Do something for each item. After an error, or an interruption, nothing more is begun."""
    left = iter(items)
    pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
    try:
        while some := list(islice(left, SLICE)):
            for _ in pool.map(do, some):
                pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
