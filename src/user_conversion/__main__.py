"""The command `user-conversion`, also `python -m user_conversion`."""

from __future__ import annotations

import errno
import sys

from user_conversion.process import SENTENCE, Interruption, complain, discard, prepare_streams
from user_conversion.rules.errors import Status, UserConversionError
from user_conversion.rules.printing import printable

NO_RESOURCES = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)


def main() -> None:
    """Run the command line and exit with a `Status`."""
    interruption, status, failure = Interruption(), Status.DONE, None
    try:
        interruption.install()
        prepare_streams()
        status = _status(sys.argv[1:])
        sys.stdout.flush()
    except BaseException as error:
        failure = error
    # Whatever became of the exception: DuckDB has one of its own, a finalizer ignores it.
    interruption.close()
    sys.exit(_answer(failure) if failure else status)


def _status(words: list[str]) -> Status:
    if words == ["--version"]:
        from user_conversion import __version__

        print(f"user-conversion {__version__}")
        return Status.DONE
    from user_conversion.commands import app

    return app.main(words)


def _answer(error: BaseException) -> Status:
    """Say what went wrong in one sentence. A bug is raised as it is."""
    match error:
        case UserConversionError():
            complain(str(error))
            return error.status
        case KeyboardInterrupt():
            complain(SENTENCE)
            return Status.INTERRUPTED
        case _ if BrokenPipeError in (type(error), type(error.__context__)):
            # The reader has seen enough; the run itself is done. Rich turns it into SystemExit.
            discard(sys.stdout)
            return Status.DONE
        case _ if _lacks_resources(error):
            reason = printable(str(error).partition("\n")[0]) or type(error).__name__
            complain(f"Not enough memory, threads or open files ({reason}): free some.")
        case OSError():
            # Files have errors of their own, so this is a stream.
            discard(sys.stdout)
            complain(f"Cannot write to standard output: {error.strerror}.")
        case _:
            raise error
    return Status.FAILED


def _lacks_resources(error: BaseException) -> bool:
    match error:
        case OSError():
            return error.errno in NO_RESOURCES
        case RuntimeError():
            return "start new thread" in str(error)
        case ImportError():
            return "failed to map" in str(error)
    # DuckDB's error has this name; to import it takes a tenth of a second.
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryException"


if __name__ == "__main__":
    main()
