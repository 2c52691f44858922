"""JSON documents as types: with a version, and checked when they are read."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec


class Document(msgspec.Struct, frozen=True, kw_only=True, tag_field="version"):
    """A document. Each type of document has its version as `tag`."""


AnyDocument = TypeVar("AnyDocument")


def decoded(content: bytes, type_: type[AnyDocument]) -> AnyDocument:
    """The document in a file's content.

    Raises `ValueError` with the place of the mistake if it is not a document of this type and
    version: a disk that failed may have left the file empty, cut or filled with zeros.
    """
    try:
        document = json.loads(content)
        if isinstance(document, dict) and "version" not in document:
            raise ValueError("it has no version")
        return msgspec.convert(document, type_, str_keys=True)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_document(path: Path, document: Any) -> None:
    """Write a document for `decoded`, and for people."""
    builtins = msgspec.to_builtins(document, str_keys=True)
    text = json.dumps(builtins, ensure_ascii=False)
    # The surrogates in file names that are not UTF-8 become escapes, which msgspec does not format.
    content = text.encode("utf-8", "backslashreplace")
    with suppress(msgspec.DecodeError):
        content = msgspec.json.format(content, indent=2)
    path.write_bytes(content + b"\n")
