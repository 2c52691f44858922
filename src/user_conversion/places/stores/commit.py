"""What a store's lease and commit document says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What an object holds. Its ETag is known once it is published.

    What was copied into the store by others has an unknown hash, and rows below zero.
    """

    size: int
    hash: str
    rows: int = 0
    tag: str = ""


# By the names of objects; what has no file is staged already.
Files = Mapping[str, tuple[Path | None, Content]]


class Commit(msgspec.Struct, frozen=True):
    """What is being published: objects that a run has staged, and names to delete."""

    run: str
    objects: dict[str, Content]
    drops: list[str]


class State(msgspec.Struct, frozen=True):
    """Who holds the output until when, or until its process ends on the same machine.

    `beat` is unique, so that no two documents are equal.
    `published` is the name of the object that lists what is published, with its contents.
    """

    run: str | None = None
    holder: str = ""
    process: str = ""
    since: str = ""
    until: float = 0.0
    beat: str = ""
    commit: Commit | None = None
    published: str | None = None
