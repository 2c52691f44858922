"""The command as a process: its standard streams, and how it ends at Ctrl-C and SIGTERM."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import TextIO

from user_conversion.rules.errors import INTERRUPTION, Status

SENTENCE = f"{INTERRUPTION}."
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_END = 0.8
ENDS = threading.Lock()


def prepare_streams() -> None:
    """Open what is closed, and wait for slow readers, whatever another process has set."""
    for number in range(3):
        try:
            os.set_blocking(number, True)
        except OSError:
            # Otherwise the next file that is opened gets this number, and what is printed.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _reliable(sys.stdout), _reliable(sys.stderr)


def _reliable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def discard(stream: TextIO) -> None:
    """Have Python not try to write the rest of a stream when it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def complain(text: str) -> None:
    """Print one line on standard error; if that fails, the exit status has to be enough."""
    try:
        print(f"user-conversion: {text}", file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


class Interruption:
    """The handler of both signals.

    The first signal raises `KeyboardInterrupt` in the main thread, so that a run can stop its
    engine and remove its files. If that takes too long, or at the second signal, the process ends
    at once: the next run removes what is left, as after a power cut.
    """

    received = False

    def install(self) -> None:
        """Answer the signals from now on, except one that the parent process has ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)

    def close(self) -> None:
        """End the process if there was a signal; those that follow are too late."""
        if self.received:
            _end()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Answer a signal."""
        if self.received:
            _end()
        self.received = True
        # Where Python ignores the exception, such as in a callback, it would print it.
        sys.unraisablehook = lambda _: None
        timer = threading.Timer(SECONDS_TO_END, _end)
        timer.daemon = True
        timer.start()
        raise KeyboardInterrupt


def _end() -> None:
    # Python itself would end with SIGINT if the signal came during an exec().
    if ENDS.acquire(blocking=False):
        complain(SENTENCE)
        os._exit(Status.INTERRUPTED)
    time.sleep(SECONDS_TO_END)  # another thread is ending the process
