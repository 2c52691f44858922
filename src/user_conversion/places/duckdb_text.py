"""DuckDB's texts: names, paths and literals in its statements, and the messages of its errors."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
from pathlib import Path


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def path_literal(path: Path) -> str:
    """An SQL literal that stands for this path alone, whatever characters it has."""
    return literal(glob.escape(str(path)))


def first_line(error: Exception) -> str:
    """The first line of an error's message.

    An error of a thread that writes has the message inside a JSON object.
    """
    text = str(error)
    if inner := re.search(r'"exception_message":("(?:[^"\\]|\\.)*")', text):
        text = str(json.loads(inner[1]))
    return text.partition("\n")[0].rstrip(". ")


def is_disk_full(error: Exception) -> bool:
    """Whether DuckDB failed because the disk of the output or of its temporary files is full."""
    return os.strerror(errno.ENOSPC) in str(error)
