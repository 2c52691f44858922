"""The command `user-conversion`, also `python -m user_conversion`."""

from __future__ import annotations

import io
import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with 0 done, 1 the run failed, 2 wrong usage."""
    if sys.argv[1:] == ["--version"]:
        from user_conversion import __version__

        print(f"user-conversion {__version__}")
        return
    from user_conversion.cli import app
    from user_conversion.errors import SettingsError, UserConversionError

    # A container is stopped like Ctrl-C: at once; the previous output stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="user-conversion")
    except UserConversionError as error:
        print(f"user-conversion: {_printable(str(error))}", file=sys.stderr)
        sys.exit(2 if isinstance(error, SettingsError) else 1)
    except SystemExit as ended:
        # Typer turns a KeyboardInterrupt into this.
        if ended.code == INTERRUPTED:
            print(
                "user-conversion: interrupted; the previous output is unchanged.", file=sys.stderr
            )
        raise


def _printable(text: str) -> str:
    # File names and lines of logs are in it; control characters must not reach the terminal.
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


if __name__ == "__main__":
    main()
