"""Ctrl-C and SIGTERM: the command ends within a second, whatever it is doing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from user_conversion.rules.errors import INTERRUPTION, Status
from user_conversion.streams import complain

SENTENCE = f"{INTERRUPTION}."
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_END = 0.8
ENDS = threading.Lock()


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
        threading.Thread(target=_end_in_time, daemon=True).start()
        raise KeyboardInterrupt


def _end_in_time() -> None:
    time.sleep(SECONDS_TO_END)
    _end()


def _end() -> None:
    # Python itself would end with SIGINT if the signal came during an exec().
    if ENDS.acquire(blocking=False):
        complain(SENTENCE)
        os._exit(Status.INTERRUPTED)
    time.sleep(SECONDS_TO_END)  # another thread is ending the process
