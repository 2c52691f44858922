"""What takes long, on standard error, where somebody is watching."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

# Shorter work is not shown.
PATIENCE = 1.0
READING = "Reading events"
SECONDS_BETWEEN_LOOKS = 0.1

# The work that contains the work that is shown, from the outside.
_outer: list[_Display] = []


@contextmanager
def watched(what: str, size: int = 0, percent: Callable[[], float] | None = None) -> Iterator[None]:
    """Show that the work in the block goes on; a line with its duration stays.

    `percent` says how much of `size` bytes is done, if that is known. Work within the block is
    shown instead of it as long as it lasts.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    display = _Display(what, size, percent)
    if _outer:
        _outer[-1].stop()
    _outer.append(display)
    display.start()
    try:
        yield
    finally:
        _outer.pop().stop()
        if _outer:
            _outer[-1].start()
    display.leave_line()


class _Display:
    """A line that changes while work goes on."""

    def __init__(self, what: str, size: int, percent: Callable[[], float] | None) -> None:
        self.what, self._size, self._percent = what, size, percent
        self._begun = time.monotonic()
        self._stopped: Event | None = None
        self._thread: Thread | None = None

    def start(self) -> None:
        """Show the line, as soon as the work has lasted long enough."""
        self._stopped = Event()
        self._thread = Thread(target=self._show, args=(self._stopped,), daemon=True)
        with suppress(RuntimeError):  # there are no more threads
            self._thread.start()

    def stop(self) -> None:
        """Take the line away."""
        if self._stopped and self._thread and self._thread.ident:
            self._stopped.set()
            self._thread.join()

    def leave_line(self) -> None:
        """Say how long the work took."""
        seconds = time.monotonic() - self._begun
        is_part = any(each.what == self.what for each in _outer)
        if seconds >= PATIENCE and not is_part:
            size = f", {self._size / 1e6:,.0f} MB" if self._size else ""
            print(f"{self.what}: {seconds:.1f} s{size}", file=sys.stderr, flush=True)

    def _show(self, stopped: Event) -> None:
        if stopped.wait(PATIENCE - (time.monotonic() - self._begun)):
            return
        from rich import progress
        from rich.console import Console

        columns: list[progress.ProgressColumn] = [progress.TextColumn(self.what)]
        if self._percent:
            columns += [progress.BarColumn(), progress.DownloadColumn()]
            columns += [progress.TransferSpeedColumn(), progress.TimeRemainingColumn()]
        else:
            columns += [progress.SpinnerColumn(), progress.TimeElapsedColumn()]
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(self.what, total=self._size if self._percent else None)
            while not stopped.wait(SECONDS_BETWEEN_LOOKS):
                if self._percent:
                    bar.update(task, completed=self._size * max(self._percent(), 0) / 100)
