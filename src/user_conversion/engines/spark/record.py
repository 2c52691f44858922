"""The record on a line of JSON, as columns: the text at each path of a log format."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from functools import partial, reduce
from operator import or_
from typing import TypeVar

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - PySpark's own convention
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from user_conversion.rules.events import BYTE_ORDER_MARK
from user_conversion.rules.paths import Element, FieldPath, is_of_folder

Step = TypeVar("Step", str, int, Element)
TEXT = StringType()
OBJECT, ARRAY = MapType(TEXT, TEXT), ArrayType(TEXT)
JSON_OPTIONS = {
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    "maxStringLen": str(2**31 - 1),
}
# `from_json` gives the text of any value, so a JSON string "3.5" looks like the number 3.5. These
# are the types that such texts may have, and the texts; JSON integers are not among them.
OTHER_TYPES = (BooleanType(), DoubleType(), OBJECT, ARRAY)
LOOKS_LIKE_OTHER = (
    r'(?s)\A(true|false|[{\["].*|-?[0-9]+(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))\z'
)
# Where a string begins that may be JSON itself: its text looks like that of an object or array.
STRING_LIKE_JSON = r'"\s*(\\|[{\[])'


class Record:
    """The record on each line of the column `value`.

    `rows` are the lines with columns for what was parsed, to which the other columns refer.
    `is_object` is false for a line that is not exactly one JSON object.
    """

    def __init__(self, lines: DataFrame, paths: Sequence[FieldPath]) -> None:
        self._texts: dict[FieldPath, Column] = {(): F.col("value")}
        self._texts |= {path: F.col(quoted(str(path[0]))) for path in paths if is_of_folder(path)}
        paths = [path for path in paths if not is_of_folder(path)]
        self._nodes = {path[:length] for path in paths for length in range(1, len(path) + 1)}
        # Spark's parser ignores what comes after a value. So the line becomes the first element of
        # an array. If the second element is this object, whose text no log can know, then
        # the line was exactly one value.
        keys = [str(step) for step in self._steps((), str)] or [""]
        key, end = keys[0], secrets.token_hex(8)
        value = F.expr(f"trim(LEADING '{BYTE_ORDER_MARK.decode()}' FROM value)")
        array = F.concat(F.lit("["), value, F.lit(f",{json.dumps({key: end})}]"))
        parts = F.from_json(array, ArrayType(_struct(keys)), JSON_OPTIONS)
        first, second = (F.get("parts", F.lit(place)) for place in range(2))
        is_one = (F.size("parts") == 2) & (second.getField(key) == end)
        rows = lines.withColumn("parts", parts)
        self.rows = rows.withColumns({"record": first, "is_one": is_one})
        self.is_object = F.coalesce(F.col("is_one") & F.col("record").isNotNull(), F.lit(False))
        self._texts |= {(key,): F.col("record").getField(key) for key in keys}
        for parent in sorted(self._nodes, key=len):
            self._parse_inner(parent)

    def at(self, path: FieldPath) -> Column:
        """The value at a path as text, NULL if it is null or there is another type on the way."""
        return self._texts[path]

    def is_text_or_integer(self, path: FieldPath) -> Column:
        """Whether the value at a path is a JSON string or a JSON integer, if it is not null."""
        of_other_type = reduce(or_, (self._typed(path, kind).isNotNull() for kind in OTHER_TYPES))
        # The line is parsed again only for texts that could be something else.
        return ~(self.at(path).rlike(LOOKS_LIKE_OTHER) & of_other_type)

    def _steps(self, parent: FieldPath, kind: type[Step]) -> list[Step]:
        steps = {node[-1] for node in self._nodes if node[:-1] == parent}
        return sorted(step for step in steps if isinstance(step, kind))

    def _parse_inner(self, parent: FieldPath) -> None:
        """Parse the text of an object or array, if paths lead into it."""
        number = len(self._texts)
        if keys := [str(step) for step in self._steps(parent, str)]:
            members = F.from_json(self._inner(parent, OBJECT), _struct(keys), JSON_OPTIONS)
            self.rows = self.rows.withColumn(f"object_{number}", members)
            inner = F.col(f"object_{number}")
            self._texts |= {(*parent, key): inner.getField(key) for key in keys}
        places, found = self._steps(parent, int), self._steps(parent, Element)
        if places or found:
            elements = F.from_json(self._inner(parent, ARRAY), ARRAY, JSON_OPTIONS)
            self.rows = self.rows.withColumn(f"array_{number}", elements)
            inner = F.col(f"array_{number}")
            self._texts |= {(*parent, place): F.get(inner, F.lit(place)) for place in places}
        for step in found:
            objects = self._inner(parent, ArrayType(OBJECT), inner)
            fitting = F.filter(objects, partial(_is_element, step))
            self._texts[(*parent, step)] = F.get(fitting, F.lit(0))

    def _inner(self, path: FieldPath, kind: DataType, found: Column | None = None) -> Column:
        """What is found at a path, its text if nothing else is given, if that is of a type.

        The line is parsed again only if it has strings that look like objects or arrays.
        """
        found = self.at(path) if found is None else found
        if isinstance(path[-1], Element):
            return found  # it is one of some objects
        is_clear = ~F.col("value").rlike(STRING_LIKE_JSON)
        return F.when(is_clear | self._typed(path, kind).isNotNull(), found)

    def _typed(self, path: FieldPath, kind: DataType) -> Column:
        """The value at a path if it has this type, else NULL."""
        *parents, step = path
        parent = self.at(tuple(parents))
        if isinstance(step, int):
            return F.get(F.from_json(parent, ArrayType(kind), JSON_OPTIONS), F.lit(step))
        return F.from_json(parent, _struct([str(step)], kind), JSON_OPTIONS).getField(str(step))


def _is_element(step: Element, text: Column) -> Column:
    """Whether the text of an element of an array is that of an object with this member."""
    return F.from_json(text, _struct([step.key]), JSON_OPTIONS).getField(step.key) == step.text


def _struct(keys: Sequence[str], kind: DataType = TEXT) -> StructType:
    return StructType([StructField(key, kind) for key in keys])


def quoted(name: str) -> str:
    """A column's name as an SQL identifier."""
    return "`" + name.replace("`", "``") + "`"
