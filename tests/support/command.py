"""The command, run in this process or as a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from user_conversion.__main__ import main


@dataclass(frozen=True)
class Finished:
    """What a run of the command left on its exit status and streams."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, which must be one JSON object; the run must have worked."""
        assert self.status == 0, self.err
        return json.loads(self.out)


def assert_refused(done: Finished, *named: object, status: int = 1) -> None:
    """Nothing on standard output, and one sentence that names what is at fault."""
    assert (done.status, done.out) == (status, ""), (done.out, done.err)
    (sentence,) = done.err.splitlines()
    assert sentence.startswith("user-conversion: ")
    assert sentence.endswith((".", "!", "?"))
    for what in named:
        assert str(what) in sentence


def command(*arguments: object) -> Finished:
    """Run `user-conversion` in this process."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    argv = ["user-conversion", *map(str, arguments)]
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], patch.object(sys, "argv", argv), patch("signal.signal"):
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return Finished(status, out.getvalue(), err.getvalue())


def process(*arguments: object, powerless: bool = False, **environment: str) -> Finished:
    """Run `user-conversion` as a process of its own, warnings as errors there too.

    A powerless one may do only what the permissions of files allow, even if it is root's.
    """
    done = subprocess.run(
        command_line(*arguments),
        env=os.environ | {"PYTHONWARNINGS": "error"} | environment,
        preexec_fn=_drop_power_over_files if powerless else None,
        capture_output=True,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def command_line(*arguments: object) -> list[str | bytes]:
    """The command as a process would be started with it."""
    texts = (each if isinstance(each, str | bytes) else str(each) for each in arguments)
    return [sys.executable, "-m", "user_conversion", *texts]


def _drop_power_over_files() -> None:
    if os.geteuid() == 0:
        for capability in (1, 2, 3):  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
