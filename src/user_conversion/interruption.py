"""Ctrl-C and SIGTERM: the command ends within two seconds, whatever it is doing."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

from user_conversion.rules.errors import Status
from user_conversion.streams import complain

SENTENCE = "interrupted; the previous output is unchanged, unless this run had published already."
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SECONDS_TO_END = 1.5


class Interruption:
    """The handler of both signals.

    The first signal raises `KeyboardInterrupt` in the main thread, so that a run can stop its
    engine and remove its files. If that takes too long, or at the second signal, the process ends
    at once: the next run removes what is left, as after a power cut.
    """

    received = over = False

    def install(self) -> None:
        """Answer the signals from now on, except one that the parent process has ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)

    def close(self) -> bool:
        """Whether there was a signal. The run is over: signals from now on are too late."""
        self.over = True
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        return self.received

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Answer a signal."""
        if self.received:
            self._end()
        self.received = True
        threading.Thread(target=self._end_in_time, daemon=True).start()
        raise KeyboardInterrupt

    def _end_in_time(self) -> None:
        time.sleep(SECONDS_TO_END)
        self._end()

    def _end(self) -> None:
        if not self.over:  # else it is said
            complain(SENTENCE)
        os._exit(Status.INTERRUPTED)
