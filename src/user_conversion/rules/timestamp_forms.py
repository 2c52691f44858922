"""Forms of timestamps such as `%d.%m.%Y %H:%M`, which are rewritten to the usual one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from user_conversion.rules.errors import SettingsError

# Two digits each, so that every engine reads a text alike.
DIRECTIVES = {
    "%Y": "[0-9]{4}",
    "%m": "[0-9]{2}",
    "%d": "[0-9]{2}",
    "%H": "[0-9]{2}",
    "%M": "[0-9]{2}",
    "%S": "[0-9]{2}",
    "%f": "[0-9]{1,9}",
    "%z": "Z|[+-][0-9]{2}:?[0-9]{2}",
}
NEEDED = ("%Y", "%m", "%d")


@dataclass(frozen=True)
class TimestampForm:
    r"""A regular expression for whole texts, and what they are replaced with.

    In `replacement`, `\1` is the first group. All engines read the expression alike.
    """

    pattern: str
    replacement: str

    @classmethod
    @lru_cache(maxsize=16)
    def of(cls, form: str) -> TimestampForm:
        """Raises `SettingsError` if the form has another directive, or lacks the day."""
        parts = re.split(r"(%.?)", form)
        found = parts[1::2]
        if {*found} - DIRECTIVES.keys() or len(found) > len({*found}) or {*NEEDED} - {*found}:
            raise SettingsError(
                f"input.timestamp {form!r}: write a form such as %d.%m.%Y %H:%M:%S, with each of "
                f"{' '.join(DIRECTIVES)} at most once; the first three are needed."
            )
        pattern = "".join(
            f"({DIRECTIVES[part]})" if part in DIRECTIVES else re.escape(part) for part in parts
        )
        group = {directive: f"\\{number}" for number, directive in enumerate(found, 1)}
        hour, minute, second = (group.get(part, "00") for part in ("%H", "%M", "%S"))
        fraction = f".{group['%f']}" if "%f" in group else ""
        day = "-".join(group[part] for part in NEEDED)
        clock = f"{hour}:{minute}:{second}{fraction}{group.get('%z', '')}"
        return cls(rf"\A(?:{pattern})\z", f"{day} {clock}")

    def rewritten(self, text: str) -> str:
        """The text in the usual form; as it is, if it has not this form."""
        match = re.fullmatch(self.pattern[2:-2], text)
        return match.expand(self.replacement) if match else text
