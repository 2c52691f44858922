"""The SQL dialects of warehouses: how each writes names, texts and the expressions that differ.

A dialect is a file of the folder `dialects/`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from user_conversion.rules.errors import SettingsError, did_you_mean
from user_conversion.rules.paths import Element, FieldPath, path_text

FOLDER = Path(__file__).with_name("dialects")


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One dialect.

    In the SQL, {c} stands for a column, {t} for an instant, {d} for a date, {n} for a number of
    days, {zone} for an IANA time zone, {a} and {b} for positive integers, {text} for a date such
    as 2024-12-30, {path}, {keys} and {brackets} for the way to a JSON value.

    title, run_by_tests: the product's name, and whether the tests run queries on it.
    dbt_incremental: whether its dbt adapter replaces the rows of a week by default.
    notes, zone_notes: what a user must know, the latter if weeks are not in UTC.
    quote, escaped_names, upper_case: how names are quoted; with backslashes as escapes; what is
        written in lower case is upper case.
    apostrophe, backslash: how they are written in a string.
    instant, microseconds: the instant of a timestamp column, of microseconds since 1970.
    now, day, utc_day: the present instant; the local day of an instant (without it weeks are in
        UTC only); the UTC day, if it is written in another way.
    monday, plus, label: of a date, its Monday, a later day, its ISO week.
    divide, earlier: the quotient as an integer, the smaller of two values.
    glob: whether patterns are compared by GLOB. text: a column as a string.
    exact: a string that is equal only if all characters are.
    json: the string at a path. json_key, first_index, json_indices, json_unsafe: a key in {path},
        the first index of an array, how indices are written, characters that keys cannot have.
    struct, parameter, wildcard: whether a.b leads into a struct, the value of a key {key} in a
        list of keys and values, the column that has what * stands for in a table's name.
    timestamp, date: literals. tail: the end of the query.
    """

    title: str
    run_by_tests: bool = False
    dbt_incremental: bool = False
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
    glob: bool = False
    text: str
    exact: str = "{c}"
    json: str
    json_key: str = '."{}"'
    json_unsafe: str = "\\"
    json_indices: Literal["number", "text", "none"] = "number"
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
        if (
            (is_path and {*"".join(keys)} & {*self.json_unsafe})
            or (len(keys) < len(steps) and self.json_indices == "none")
            or any(isinstance(step, Element) for step in steps)
        ):
            raise SettingsError(
                f"{self.title} cannot read the path {path_text(steps)} of a JSON column: make a "
                "view with a column of its own."
            )
        path = (f"[{s}]" if isinstance(s, int) else self.json_key.format(s) for s in steps)
        written = [
            str(step + self.first_index)
            if isinstance(step, int) and self.json_indices == "number"
            else self.literal(str(step))
            for step in steps
        ]
        return self.json.format(
            c=column,
            path=self.literal("$" + "".join(path)) if is_path else "",
            keys=", ".join(written),
            brackets="".join(f"[{step}]" for step in written),
        )


def dialects() -> list[str]:
    """The names of the dialects, in order."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def dialect(name: str) -> Dialect:
    """The dialect of a name. Raises `SettingsError` if there is none."""
    known = dialects()
    if name not in known:
        raise SettingsError(
            f"Unknown dialect '{name}'{did_you_mean(name, known)} Choose one of {', '.join(known)}."
        )
    return msgspec.convert(_snippets(name), Dialect)


def _snippets(name: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    like = found.pop("like", None)
    return _snippets(like) | found if like else found
