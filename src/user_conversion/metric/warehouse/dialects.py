"""The SQL dialects of warehouses: how each writes names, texts and the expressions that differ."""

from __future__ import annotations

from importlib import resources
from typing import Any, Literal

import msgspec

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import FieldPath, did_you_mean, path_text


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dialect. Texts in braces are filled in; `dialects.toml` says what they mean.

    `instant` makes an instant of a timestamp column, `microseconds` of a number since 1970; `day`
    is the local day of an instant, `utc_day` the same in UTC where it is written differently;
    `exact` makes texts that are equal only if all characters are. `backslash` says how a text
    with a backslash is written; `tail` ends the query; `notes` are printed above it. Without `day`
    weeks are in UTC only. `struct` says that `a.b` leads into a column, `wildcard` names the column
    with the rest of a table's name, `parameter` is a value in a list of keys and values.
    """

    title: str
    run_by_tests: bool = False
    notes: tuple[str, ...] = ()
    zone_notes: tuple[str, ...] = ()
    quote: str = '"'
    escaped_names: bool = False
    upper_case: bool = False
    apostrophe: str = "''"
    backslash: Literal["plain", "double", "E"] = "plain"
    instant: str
    microseconds: str
    now: str
    day: str | None = None
    utc_day: str | None = None
    monday: str
    plus: str
    label: str
    divide: str
    earlier: str = "LEAST({a}, {b})"
    text: str
    exact: str | None = None
    json: str
    json_key: str = '."{}"'
    json_unsafe: str = "\\"
    json_arrays: bool = True
    first_index: int = 0
    struct: bool = False
    parameter: str | None = None
    wildcard: str | None = None
    timestamp: str = "TIMESTAMP '{text} 00:00:00'"
    date: str = "DATE '{text}'"
    tail: str = ""

    def literal(self, text: str) -> str:
        """A text as the dialect writes it. Raises `SettingsError` for control characters."""
        if any(character < " " for character in text):
            raise SettingsError(f"{text!r} has a control character: it cannot be written in SQL.")
        if self.backslash != "plain":
            doubled = text.replace("\\", "\\\\")
            prefix = "E" if self.backslash == "E" and "\\" in text else ""
            return f"{prefix}'{doubled.replace(chr(39), self.apostrophe)}'"
        return f"'{text.replace(chr(39), self.apostrophe)}'"

    def name(self, name: str) -> str:
        """The name of a column or table, quoted."""
        if self.upper_case and name.isidentifier() and name.islower():
            name = name.upper()
        if self.escaped_names:
            name = name.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote)
        else:
            name = name.replace(self.quote, self.quote * 2)
        return self.quote + name + self.quote

    def json_value(self, column: str, steps: FieldPath) -> str:
        """The text at a path of a JSON column. Raises `SettingsError` if it cannot be written."""
        keys = [step for step in steps if isinstance(step, str)]
        is_path = "{path}" in self.json
        if (is_path and {*"".join(keys)} & {*self.json_unsafe}) or (
            len(keys) < len(steps) and not self.json_arrays
        ):
            raise SettingsError(
                f"{self.title} cannot read the path {path_text(steps)} of a JSON column: make a "
                "view with a column of its own."
            )
        path = (f"[{s}]" if isinstance(s, int) else self.json_key.format(s) for s in steps)
        written = [
            str(step + self.first_index) if isinstance(step, int) else self.literal(step)
            for step in steps
        ]
        return self.json.format(
            c=column,
            path=self.literal("$" + "".join(path)) if is_path else "",
            keys=", ".join(written),
            brackets="".join(f"[{step}]" for step in written),
        )


def dialects() -> dict[str, dict[str, Any]]:
    """What `dialects.toml` says of each dialect, by name."""
    file = resources.files(__package__) / "dialects.toml"
    found: dict[str, dict[str, Any]] = msgspec.toml.decode(file.read_bytes())
    return {name: found.get(own.pop("like", ""), {}) | own for name, own in found.items()}


def dialect(name: str) -> Dialect:
    """The dialect of a name. Raises `SettingsError` if there is none."""
    known = dialects()
    if name not in known:
        raise SettingsError(
            f"Unknown dialect '{name}'{did_you_mean(name, known)} Choose one of {', '.join(known)}."
        )
    return msgspec.convert(known[name], Dialect)
