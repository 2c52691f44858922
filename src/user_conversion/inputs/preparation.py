"""All files of a run as newline-delimited JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from user_conversion.errors import InputError
from user_conversion.inputs.content import NotALogError
from user_conversion.inputs.convert import Conversion, LineFile
from user_conversion.inputs.files import Found, InputFile, SkippedFile
from user_conversion.log_format import LogFormat

EXAMPLES = 3


@dataclass(frozen=True)
class Prepared:
    """The lines to read in order, the files they come from, and the files that are not logs."""

    files: list[LineFile]
    inputs: list[InputFile]
    skipped: list[SkippedFile]


def prepare(
    found: Found, log_format: LogFormat, engine_compressions: frozenset[str], scratch: Path
) -> Prepared:
    """All found files as newline-delimited JSON; the converted ones are in `scratch`.

    Raises `InputError` if a file cannot be read, or a file that was named itself is not a log.
    """
    conversion = Conversion(log_format, engine_compressions, scratch)
    conversion.skipped += found.skipped
    inputs = []
    for file in found.files:
        try:
            conversion.add(file.path, str(file.path).encode("utf-8", "replace").decode())
        except NotALogError as error:
            if file.path in found.named:
                raise
            conversion.skipped.append(SkippedFile(error.source, error.reason))
        else:
            inputs.append(file)
    return Prepared(conversion.files, inputs, conversion.skipped)


def require_logs(prepared: Prepared) -> None:
    """Raise `InputError` if no file is a log."""
    if not prepared.files:
        raise InputError(_nothing_to_read(prepared.skipped))


def _nothing_to_read(skipped: list[SkippedFile]) -> str:
    examples = ", ".join(f"'{each.path}' ({each.reason})" for each in skipped[:EXAMPLES])
    return (
        f"No file is a log of events, of {len(skipped):,} in all, for example {examples}; "
        "describe them with --log-format."
    )
