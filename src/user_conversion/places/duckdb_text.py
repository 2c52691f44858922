"""DuckDB's texts: names, paths and literals in its statements, and the messages of its errors."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
from collections.abc import Iterable
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


def parquet_rows(files: Iterable[Path], partition: str | None = None) -> str:
    """The rows of Parquet files, in SQL. The names of folders are no columns, whatever they are.

    Only a `partition`, which the folder of each file has the value of, is one more column.
    """
    found = f"[{', '.join(map(path_literal, files))}], hive_partitioning = false"
    if partition is None:
        return f"read_parquet({found})"
    # No column of a dataset has a name with spaces.
    value = f"""regexp_extract("file of a row", '/{partition}=([^/]*)/[^/]*$', 1)"""
    named = f"read_parquet({found}, filename = 'file of a row')"
    return f"(SELECT *, {value} AS {quoted(partition)} FROM {named})"


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
