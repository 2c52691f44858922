"""The standard streams as the command needs them: open, and written to the last byte."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO


def prepare() -> None:
    """Open what is closed, and wait for slow readers, whatever another process has set."""
    for number in range(3):
        try:
            os.set_blocking(number, True)
        except OSError:
            # Otherwise the next file that is opened gets this number, and what is printed.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = _reliable(sys.stdout), _reliable(sys.stderr)


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


def _reliable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream
