"""JSON documents with a version, checked when they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_document(path: Path, version: int) -> dict[str, Any]:
    """The JSON object in a file. Raises `ValueError` if it is not one of this version.

    A disk that failed may have left the file empty, cut or filled with zeros.
    """
    try:
        document = json.loads(path.read_bytes())
    except RecursionError:
        raise ValueError(f"'{path}' is nested too deeply") from None
    if not isinstance(document, dict) or document.get("version") != version:
        raise ValueError(f"'{path}' is not a document of version {version}")
    return document


def write_document(path: Path, document: Any) -> None:
    """Write a JSON document for `read_document`, and for people."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # File names that are not UTF-8 have surrogates, which JSON can have as escapes only.
    path.write_bytes(text.encode("utf-8", "backslashreplace"))
