"""What a file is, recognised by its content: its compression, and how its records are written.

To add a kind, write a module here with a class that satisfies `content.Kind` and a function
`recognise`, and name the function in `KINDS`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

from user_conversion.inputs import compression
from user_conversion.inputs.compression import LogStream, compression_at, compression_of
from user_conversion.inputs.kinds import (
    archives,
    batches,
    delimited,
    json_files,
    parquet,
    prefixed_lines,
)
from user_conversion.inputs.kinds.content import AnyKind, Content, NotALogError, Sample, Wanted
from user_conversion.rules.log_format import UTF_8

# From a sample to its kind; None if it is of another kind. The first answer is taken.
KINDS: tuple[Callable[[Sample, Wanted], AnyKind | None], ...] = (
    parquet.recognise,
    archives.recognise,
    batches.recognise,
    json_files.recognise,
    prefixed_lines.recognise,
    delimited.recognise,
)

SAMPLE = 1 << 18

UTF_16 = "UTF-16 text, see input.encoding"
UNSUPPORTED = (
    (re.compile(rb"PARE"), "encrypted Parquet"),
    (re.compile(rb"Obj\x01"), "Avro"),
    (re.compile(rb"ORC"), "ORC"),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive"),
    (re.compile(rb"\xff\xfe|\xfe\xff"), UTF_16),
    (re.compile(rb"[^\x00]\x00[^\x00]\x00|\x00[^\x00]\x00[^\x00]"), UTF_16),
)


def recognise(path: Path, wanted: Wanted, source: str) -> Content:
    """What a file is; `source` is its name in errors.

    Raises `NotALogError` if it is of no kind that holds events, `InputError` if it cannot be read.
    """
    packed_with = compression_at(path, source)
    if packed_with not in compression.SUPPORTED:
        raise NotALogError(source, f"compressed with {packed_with}")
    with io.BufferedReader(LogStream(path, packed_with, source)) as stream:
        data = stream.read(SAMPLE)
    sample = Sample(data, len(data) < SAMPLE)
    encoding = wanted.log_format.input.encoding
    if data.startswith((parquet.MAGIC, *archives.MAGIC)):
        encoding = UTF_8  # of no importance
    if encoding != UTF_8:
        sample = Sample(data.decode(encoding, "replace").encode(), sample.is_whole)
    elif reason := _unsupported(data):
        raise NotALogError(source, reason)
    for each in KINDS:
        if kind := each(sample, wanted):
            is_foreign = each is json_files.recognise and json_files.is_foreign(sample, wanted)
            return Content(kind, packed_with, encoding, is_foreign)
    raise NotALogError(source, _why_unknown(sample, source, wanted))


def _unsupported(data: bytes) -> str | None:
    if compression_of(data) != compression.NONE:
        return "compressed twice"
    return next((name for magic, name in UNSUPPORTED if magic.match(data)), None)


def _why_unknown(sample: Sample, source: str, wanted: Wanted) -> str:
    if not sample.is_binary:
        return delimited.why_not(sample.text, wanted)
    # Brotli has no magic number.
    return "compressed with brotli" if source.lower().endswith(".br") else "not text"
