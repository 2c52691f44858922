"""JSON text in pieces: values one behind the other, arrays and documents, read as a stream.

Values come out as the text that they are in the file, so that numbers stay exact.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from typing import Any, NoReturn

from user_conversion.inputs.compression import LogStream
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import FieldPath, path_text

CHUNK = 1 << 18
LARGEST_RECORD = 1 << 29
# Numbers stay text: they are not needed, and a very long one is an error in Python.
DECODER = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)
WHITESPACE = re.compile(r"[ \t\r\n]*")
# A literal, number or escape that is cut off is reported where it begins.
LONGEST_LITERAL = 12
LINE_ENDS = str.maketrans("\r\n", "  ")


def one_line(text: str) -> str:
    """JSON text without line ends, which can only be between its tokens."""
    return text.translate(LINE_ENDS) if "\n" in text or "\r" in text else text


def as_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text is, None if it is anything else."""
    try:
        value = DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def value_at(value: Any, path: FieldPath) -> Any:
    """What is at a path in a JSON value, None if there is nothing."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def is_cut_off(error: json.JSONDecodeError) -> bool:
    """Whether more text could make a value of a text that is none."""
    return error.msg.startswith("Unterminated") or error.pos >= len(error.doc) - LONGEST_LITERAL


class Cursor:
    """A place in a stream of JSON text that moves from value to value."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = ""
        self._at = 0
        self._bytes_before = 0
        self._is_all = False
        if self.peek() == "\ufeff":
            self.skip("\ufeff")

    def peek(self) -> str:
        """The next character that is not whitespace, empty at the end."""
        while True:
            self._at = WHITESPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_more():
                return ""

    def skip(self, expected: str) -> None:
        """Move behind a character; raises `InputError` if another one is next."""
        if self.peek() != expected:
            self.fail(f"Expecting {expected!r}")
        self._at += 1

    def value(self) -> str:
        """The text of the next value; raises `InputError` if it is none."""
        self.peek()
        while True:
            try:
                _, end = DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                self.fail("it is nested too deeply")
            except json.JSONDecodeError as error:
                if not (is_cut_off(error) and self._read_more()):
                    self._fail_with(error)
                continue
            # A number may go on in what has not been read yet.
            if end < len(self._text) or self._text[-1] in '}]"' or not self._read_more():
                value, self._at = self._text[self._at : end], end
                return value

    def fail(self, reason: str) -> NoReturn:
        """Raise `InputError` with the place."""
        what = "is not the JSON that it should be" if self.peek() else "breaks off"
        place = f"at byte {self._position(self._at):,} ({reason})"
        raise InputError(self._stream.sentence(f"{what} {place}"))

    def _fail_with(self, error: json.JSONDecodeError) -> NoReturn:
        if error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()):
            begins = self._position(self._at)
            raise InputError(
                self._stream.sentence(f"breaks off in the record that begins at byte {begins:,}")
            )
        self._at = error.pos
        self.fail(error.msg)

    def _position(self, at: int) -> int:
        return self._bytes_before + len(self._text[:at].encode("utf-8", "surrogateescape"))

    def _read_more(self) -> bool:
        """Add text that was not read yet, as much as there is; False at the end."""
        if self._is_all:
            return False
        self._bytes_before = self._position(self._at)
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > LARGEST_RECORD:
            self.fail("a record of more than 512 MiB")
        parts, wanted = [self._text], max(CHUNK, len(self._text))
        while wanted > 0 and not self._is_all:
            chunk = self._stream.read(CHUNK) or b""
            self._is_all = not chunk
            parts.append(self._decoder.decode(chunk, final=self._is_all))
            wanted -= len(chunk)
        self._text = "".join(parts)
        return True


def concatenated(cursor: Cursor) -> Iterator[str]:
    """The values that are one behind the other."""
    while cursor.peek():
        yield cursor.value()


def elements_of_arrays(cursor: Cursor) -> Iterator[str]:
    """The elements of the arrays that are one behind the other."""
    while cursor.peek():
        yield from _value_or_elements(cursor)


def records_of_documents(cursor: Cursor, path: FieldPath) -> Iterator[str]:
    """The elements of the array at a path in each of the documents one behind the other.

    Raises `InputError` if there is nothing at the path.
    """
    while cursor.peek():
        is_found = yield from _records(cursor, path)
        if not is_found:
            cursor.fail(f"nothing at {path_text(path)} in the document that ends here")


def _records(cursor: Cursor, path: FieldPath) -> Generator[str, None, bool]:
    if not path:
        yield from _value_or_elements(cursor)
        return True
    is_found = False
    for key in _members(cursor) if isinstance(path[0], str) else _elements(cursor):
        if key == path[0]:
            is_found = yield from _records(cursor, path[1:])
        else:
            cursor.value()
    return is_found


def _value_or_elements(cursor: Cursor) -> Iterator[str]:
    if cursor.peek() != "[":
        yield cursor.value()
        return
    for _ in _elements(cursor):
        yield cursor.value()


def _elements(cursor: Cursor) -> Iterator[int]:
    """The places in the next array; the caller reads the value at each."""
    cursor.skip("[")
    number = 0
    while cursor.peek() != "]":
        if number:
            cursor.skip(",")
        yield number
        number += 1
    cursor.skip("]")


def _members(cursor: Cursor) -> Iterator[str]:
    """The keys of the next object; the caller reads the value of each."""
    cursor.skip("{")
    is_first = True
    while cursor.peek() != "}":
        if not is_first:
            cursor.skip(",")
        key: str = DECODER.decode(cursor.value())
        cursor.skip(":")
        yield key
        is_first = False
    cursor.skip("}")
