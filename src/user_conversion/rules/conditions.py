"""Conditions of a log format: which values of a field are meant, as a list of texts.

A text stands for itself. In a text with `*`, that stands for any text. One that begins with `!=`
says what the value is not; if all do, any other value is meant, also none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.paths import FieldPath

NOT = "!="
ANY = "*"
# A longer list is recorded by its hash.
MOST_RECORDED = 50

# The texts by path.
Conditions = Mapping[FieldPath, tuple[str, ...]]


@dataclass(frozen=True)
class Texts:
    """Some values: texts, and patterns."""

    exact: tuple[str, ...]
    patterns: tuple[str, ...]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Texts:
        """The values of a list without `!=`."""
        patterns = tuple(text for text in texts if ANY in text)
        return cls(tuple(text for text in texts if ANY not in text), patterns)

    def __contains__(self, text: str | None) -> bool:
        return text is not None and (text in self._set or bool(self._pattern.fullmatch(text)))

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.exact)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        each = (".*".join(map(re.escape, text.split(ANY))) for text in self.patterns)
        return re.compile("|".join(each) or r"(?!)", re.DOTALL)

    def likes(self) -> list[str]:
        r"""The patterns as those of SQL's LIKE, with `\` before a character that means itself."""
        return [re.sub(r"([\\%_])", r"\\\1", text).replace(ANY, "%") for text in self.patterns]

    def sql(self, value: str, literal: Callable[[str], str], escape: str, glob: bool) -> str:
        """Whether the value of an SQL expression is one of these; false if it is NULL."""
        globs = (re.sub(r"[?[]", r"[\g<0>]", text) for text in self.patterns)
        parts = (
            [f"{value} GLOB {literal(text)}" for text in globs]
            if glob
            else [f"{value} LIKE {literal(like)}{escape}" for like in self.likes()]
        )
        if self.exact:
            parts.insert(0, f"{value} IN ({', '.join(map(literal, self.exact))})")
        return f"({value} IS NOT NULL AND ({' OR '.join(parts)}))" if parts else "1 = 0"


@dataclass(frozen=True)
class Condition:
    """The values that are meant (None: any, and no value), but for others."""

    meant: Texts | None
    but: Texts

    @classmethod
    def of(cls, texts: tuple[str, ...]) -> Condition:
        """The condition that a list of texts is."""
        but = [text.removeprefix(NOT).strip() for text in texts if text.startswith(NOT)]
        meant = [text for text in texts if not text.startswith(NOT)]
        return cls(None if but and not meant else Texts.of(meant), Texts.of(but))

    def holds(self, text: str | None) -> bool:
        """Whether the condition holds for a value, as JSON's text."""
        return (self.meant is None or text in self.meant) and text not in self.but

    def sql(
        self,
        value: str,
        literal: Callable[[str], str],
        escape: str = r" ESCAPE '\'",
        glob: bool = False,
    ) -> str:
        """Whether the condition holds for an SQL expression; true or false, never NULL.

        `escape` says that `\\` in a pattern is before a character that means itself. With `glob`
        patterns are those of SQLite's GLOB.
        """
        parts = [] if self.meant is None else [self.meant.sql(value, literal, escape, glob)]
        if self.but != Texts((), ()):
            parts.append(f"NOT {self.but.sql(value, literal, escape, glob)}")
        return " AND ".join(parts)


def recorded(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The texts for `run.json` and the ledger; equal lists give equal records."""
    if len(texts) <= MOST_RECORDED:
        return texts
    digest = hashlib.sha256("\0".join(sorted(texts)).encode()).hexdigest()
    return (f"{len(texts):,} values, SHA-256 {digest}",)


def texts_of_file(file: Path) -> tuple[str, ...]:
    """The lines of a file, such as ids of users; blank ones and those that begin with # are none.

    Raises `SettingsError` if it cannot be read.
    """
    try:
        lines = [line.strip() for line in file.read_text("utf-8-sig").splitlines()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"Cannot read '{file}': {reason}.") from None
    return tuple(line for line in lines if line and not line.startswith("#"))
