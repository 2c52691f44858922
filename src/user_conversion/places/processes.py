"""This process: its name for others, its scratch folder, the signals that have to wait."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

BOOT, NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
PREFIX, LOCK = "user-conversion-", "lock"


def this_process() -> str:
    """This process in this boot and container; "" where the system does not tell."""
    try:
        return f"{BOOT.read_text().strip()} {NAMESPACE.stat().st_ino} {os.getpid()}"
    except OSError:
        return ""


def is_over(process: str) -> bool:
    """Whether it is sure that a process has ended, which is so for those of this container only."""
    here, _, number = process.rpartition(" ")
    if not here or here != this_process().rpartition(" ")[0]:
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new temporary folder, removed in the end; those of runs that were killed are removed, too.

    The lock on a file in it ends with the process that holds it.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError), left.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def signals_deferred() -> Iterator[None]:
    """Answer Ctrl-C and SIGTERM when the block has ended. Other threads receive no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    handlers: dict[int, Any] = {
        number: signal.signal(number, lambda number, _: waiting.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])
