"""Texts from outside as they may be printed: on one line, without secrets."""

from __future__ import annotations

import re

# As in sc://host/;token=… and in --conf spark.ssl.keyPassword=…, not as in params[key=plan]
NAMED = re.compile(
    r"(?<![\[\w.-])([\w.-]*(?:secret|password|token|key)[\w.-]*=)[^\s;,'&]+", re.IGNORECASE
)
# As in spark://user:password@host
USER = re.compile(r"(?<=://)[^/\s@]+@")


def printable(text: str) -> str:
    """A text without line feeds and control characters, which could change a terminal or a log."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def without_secrets(text: str) -> str:
    """A text in which passwords, tokens and keys are stars."""
    return NAMED.sub(r"\1***", USER.sub("***@", text))
