"""Addresses of places in object stores, such as `s3://bucket/path`."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"(s3a?|gs|az|abfss?)://([^/]+)(?:/(.*))?", re.DOTALL)


def is_address(place: object) -> bool:
    """Whether a place is one in an object store, and not a path."""
    return isinstance(place, str) and ADDRESS.fullmatch(place) is not None


def split_address(address: str) -> tuple[str, str]:
    """The address of the bucket, and the names of objects within it that the address begins."""
    scheme, bucket, name = ADDRESS.fullmatch(address).groups()  # type: ignore[union-attr]
    return f"{scheme}://{bucket}", name or ""
