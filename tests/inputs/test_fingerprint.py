"""One pass over a file: its lines, its hash, and its hash up to places."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_conversion.inputs import fingerprint as fingerprints
from user_conversion.inputs.fingerprint import fingerprint, hash_of


@given(
    st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\n\n"]), max_size=30),
    st.lists(st.integers(1, 40), max_size=4),
    st.sampled_from([bytes, gzip.compress, bz2.compress]),
    st.sampled_from([1, 3, 1 << 18]),
)
def test_a_fingerprint_is_that_of_the_whole_content(
    parts: list[bytes], places: list[int], compress: Any, chunk: int
) -> None:
    content = b"".join(parts)
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "CHUNK", chunk)
        path = Path(name, "log")
        path.write_bytes(compress(content))
        found = fingerprint(path, path.stat().st_size, places)
    assert found.content.size == len(content)
    assert found.content.hash == hash_of(content)
    assert found.content.beginning == hash_of(content[:256])
    assert found.lines == len(content.split(b"\n")) - (content.endswith(b"\n") or not content)
    assert found.ends_in_line == (content.endswith(b"\n") or not content)
    assert content[found.last_line_at :] == content.rpartition(b"\n")[2]
    assert found.marks.keys() == {place for place in places if place <= len(content)}
    for place, mark in found.marks.items():
        assert mark.hash == hash_of(content[:place])
        assert mark.line_feeds == content[:place].count(b"\n")


def test_a_file_that_grew_since_has_the_fingerprint_of_its_former_size(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthree\n")
    assert fingerprint(path, 8).content.hash == hash_of(b"one\ntwo\n")
