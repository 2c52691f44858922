"""Object stores (`s3://`, `gs://`, `az://`, `abfss://`): list, fetch, put, copy, delete.

A store is opened by its address; credentials come from the environment as the store's own tools
read them. What goes wrong is one sentence that holds no URL, since URLs can hold signatures.
"""

from __future__ import annotations

import configparser
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from user_conversion.rules.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ADDRESS = re.compile(r"(s3|s3a|gs|az|abfs|abfss)://([^/]+)(?:/(.*))?")
# One request for so many bytes: a request that takes longer than its time-out is begun again.
PART = 32 << 20
TRIES = 4
CLIENT = {"connect_timeout": "5s", "timeout": "60s"}
RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}

# What a store says, by its own code, and what to do about it.
CODES = {
    "NoSuchBucket": "there is no such bucket; check its name",
    "ContainerNotFound": "there is no such container; check its name",
    "InvalidBucketName": "this is not the name of a bucket",
    "InvalidAccessKeyId": "the access key is not known; check the credentials",
    "SignatureDoesNotMatch": "the secret key is wrong; check the credentials",
    "AuthenticationFailed": "the credentials are wrong; check them",
    "ExpiredToken": "the credentials have expired; renew them",
    "AccessDenied": "it is not permitted; ask for the right to list, read, write and delete there",
    "AuthorizationPermissionMismatch": "it is not permitted; ask for the right to do so",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set AWS_REGION",
    "InvalidObjectState": "the object is in an archive class; restore it first",
    "BlobArchived": "the object is in an archive class; restore it first",
    "NotImplemented": "the store has no conditional writes, which a publication needs",
}
T = TypeVar("T")


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing has it; `tag` changes with every write."""

    name: str
    size: int
    tag: str
    modified: float


def is_store(place: str) -> bool:
    """Whether a text is the address of a place in an object store."""
    return ADDRESS.fullmatch(place) is not None


class Store:
    """A place in an object store. Names of objects are relative to its address."""

    def __init__(self, address: str, raw: ObjectStore | None = None) -> None:
        self.address = address.rstrip("/")
        self._raw = raw or _opened(self.address)

    def list(self, below: str = "") -> list[StoredObject]:
        """The objects below a name; those that stand for folders are left out."""
        import obstore

        def pages() -> list[StoredObject]:
            found = obstore.list(self._raw, below or None, chunk_size=1000)
            return [_stored(meta) for page in found for meta in page]

        with self._errors("list"):
            return [each for each in _again(pages) if not each.name.endswith("/")]

    def read(self, name: str) -> tuple[bytes, dict[str, str]] | None:
        """The content of a small object and its version, None if there is none."""
        import obstore

        try:
            with self._errors("read", name):
                found = _again(lambda: obstore.get(self._raw, name))
                return bytes(found.bytes()), _version(found.meta)
        except FileNotFoundError:
            return None

    def fetch(self, wanted: StoredObject, target: Path, sizes: int | None = None) -> None:
        """Bring an object here, or its first bytes. Raises `StoreError` if it has changed."""
        end = wanted.size if sizes is None else min(wanted.size, sizes)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for start in range(0, end, PART):
                file.write(self._part(wanted, start, min(end, start + PART)))

    def _part(self, wanted: StoredObject, start: int, end: int) -> bytes:
        import obstore

        def get() -> bytes:
            options: Any = {"range": (start, end), "if_match": wanted.tag}
            try:
                part = bytes(obstore.get(self._raw, wanted.name, options=options).bytes())
            except (FileNotFoundError, obstore.exceptions.PreconditionError):
                raise StoreError(
                    f"'{self.of(wanted.name)}' changed while it was read; run again."
                ) from None
            if len(part) != end - start:
                # Some stores and proxies end an answer early without an error.
                raise ConnectionError(f"{len(part)} of {end - start} bytes arrived")
            return part

        with self._errors("read", wanted.name):
            return _again(get)

    def put(self, name: str, content: bytes | Path) -> str:
        """Write an object; returns its tag. Writing it again makes no difference."""
        import obstore

        with self._errors("write", name):
            return str(_again(lambda: obstore.put(self._raw, name, content)).get("e_tag") or "")

    def swap(self, name: str, content: bytes, version: Mapping[str, str] | None) -> dict[str, str]:
        """Write an object if its version still is this one, or if there is none.

        It is not repeated: the caller has to look at what is there. Raises obstore's errors.
        """
        import obstore

        mode: Any = dict(version) if version else "create"
        return _version(obstore.put(self._raw, name, content, mode=mode))

    def copy(self, source: str, target: str) -> None:
        """Copy an object within the store. Raises `FileNotFoundError` if there is no source."""
        import obstore

        with self._errors("write", target):
            _again(lambda: obstore.copy(self._raw, source, target))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; one that is gone already makes no difference."""
        import obstore

        for name in names:
            with self._errors("delete", name), suppress(FileNotFoundError):
                _again(partial(obstore.delete, self._raw, name))

    def of(self, name: str) -> str:
        """The address of an object."""
        return f"{self.address}/{name}" if name else self.address

    @contextmanager
    def _errors(self, action: str, name: str = "") -> Iterator[None]:
        import obstore

        try:
            yield
        except FileNotFoundError as error:
            if _code(error) in CODES:
                raise self.refusal(action, name, error) from None
            raise
        except (obstore.exceptions.BaseError, ConnectionError, TimeoutError) as error:
            raise self.refusal(action, name, error) from None

    def refusal(self, action: str, name: str, error: Exception) -> StoreError:
        """What went wrong, as one sentence."""
        return StoreError(f"Cannot {action} '{self.of(name)}': {_reason(error)}.")


def _opened(address: str) -> ObjectStore:
    try:
        from obstore.store import from_url
    except ImportError:
        raise StoreError(
            f"'{address}' is in an object store, which needs one more package: pip install obstore."
        ) from None
    options: dict[str, Any] = {"client_options": CLIENT | _plain_http(), "retry_config": RETRIES}
    if address.startswith("s3") and (found := _aws_profile()):
        options |= found
    try:
        return from_url(re.sub("^s3a:", "s3:", address), **options)
    except Exception as error:
        raise StoreError(f"Cannot open '{address}': {_reason(error)}.") from None


def _plain_http() -> dict[str, Any]:
    """Whether the store is asked without encryption, as a test server on this machine is."""
    endpoints = (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT",
        "AZURE_STORAGE_ENDPOINT",
    )
    plain = any(os.environ.get(name, "").startswith("http://") for name in endpoints)
    return {"allow_http": plain or os.environ.get("AZURE_STORAGE_USE_EMULATOR") == "true"}


def _aws_profile() -> dict[str, Any]:
    """What AWS's own files say, if the environment has no credentials: obstore reads neither."""
    if any(os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "WEB_IDENTITY_TOKEN_FILE")):
        return {}
    profile = os.environ.get("AWS_PROFILE", "default")
    found: dict[str, str] = {}
    for variable, usual, section in (
        (
            "AWS_CONFIG_FILE",
            "~/.aws/config",
            "default" if profile == "default" else f"profile {profile}",
        ),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile),
    ):
        parser = configparser.RawConfigParser()
        parser.read(Path(os.environ.get(variable, usual)).expanduser())
        if parser.has_section(section):
            found |= dict(parser.items(section))
    names = {
        "aws_access_key_id": "access_key_id",
        "aws_secret_access_key": "secret_access_key",
        "aws_session_token": "session_token",
    }
    options = {ours: found[theirs] for theirs, ours in names.items() if theirs in found}
    if "region" in found and not os.environ.get("AWS_REGION"):
        options["region"] = found["region"]
    return options


def _again(request: Callable[[], T]) -> T:
    """Do a request that can be repeated until it works; obstore does not repeat all."""
    import obstore

    for attempt in range(TRIES - 1):
        try:
            return request()
        except (obstore.exceptions.GenericError, ConnectionError, TimeoutError) as error:
            if _code(error) in CODES:
                raise
            time.sleep(0.1 * 4**attempt)
    return request()


def _code(error: Exception) -> str:
    found = re.search(r"<Code>(\w+)</Code>", str(error))
    return found[1] if found else ""


def _reason(error: Exception) -> str:
    """What went wrong, without URLs, which can hold signatures."""
    import obstore

    text, code = str(error), _code(error)
    if code in CODES:
        return CODES[code]
    if isinstance(error, ConnectionError):
        return text
    if isinstance(error, obstore.exceptions.PermissionDeniedError):
        return CODES["AccessDenied"]
    if "169.254.169.254" in text or "metadata" in text:
        return "there are no credentials; set those of the store in the environment"
    status = re.search(r"status code: (\d+ [\w ]+)", text)
    if status:
        return f"the store answers {status[1].strip()}" + (f" ({code})" if code else "")
    return "the store does not answer; check its address and the network"


def _version(meta: Mapping[str, Any]) -> dict[str, str]:
    # Google's store compares its own generation, the others the ETag.
    return {key: meta[key] for key in ("e_tag", "version") if meta.get(key)}


def _stored(meta: Mapping[str, Any]) -> StoredObject:
    tag = meta.get("e_tag") or meta.get("version") or ""
    return StoredObject(meta["path"], meta["size"], tag, meta["last_modified"].timestamp())
