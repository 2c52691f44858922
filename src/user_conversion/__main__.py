"""The command `user-conversion`, also `python -m user_conversion`."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import suppress

from user_conversion.rules.errors import Status, UserConversionError


def main() -> None:
    """Run the command line and exit with a `Status`."""
    if sys.argv[1:] == ["--version"]:
        from user_conversion import __version__

        print(f"user-conversion {__version__}")
        return
    # A container is stopped like Ctrl-C: at once; the previous output stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(_status(sys.argv[1:]))


def _status(words: list[str]) -> Status:
    from user_conversion import cli

    try:
        status = cli.main(words)
        if sys.stdout:
            sys.stdout.flush()
    except UserConversionError as error:
        _complain(str(error))
        return error.status
    except KeyboardInterrupt:
        _complain("interrupted; the previous output is unchanged.")
        return Status.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; the run itself is done.
        _leave_stdout()
        return Status.DONE
    except OSError as error:
        # Files have errors of their own, so this is a stream.
        _leave_stdout()
        _complain(f"Cannot write to standard output: {error.strerror}.")
        return Status.FAILED
    except SystemExit as ended:
        # Rich turns a BrokenPipeError into this.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _leave_stdout()
        return Status.DONE
    return status


def _complain(text: str) -> None:
    if sys.stderr:
        print(f"user-conversion: {_printable(text)}", file=sys.stderr)


def _leave_stdout() -> None:
    """Have Python not try to write the rest at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _printable(text: str) -> str:
    # File names and lines of logs are in it; control characters must not reach the terminal.
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


if __name__ == "__main__":
    main()
