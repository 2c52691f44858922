"""How a store is reached: its credentials, as the store's own tools read them, and time-outs."""

from __future__ import annotations

import configparser
import os
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

from obstore.store import ObjectStore, from_url

from user_conversion.places.stores.errors import CREDENTIALS, reason_of
from user_conversion.rules.errors import StoreError

CLIENT = {"connect_timeout": "5s", "timeout": "60s"}
RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
# Any of these variables says where the credentials are; else the machine may have a role.
CREDENTIALS_OF = {
    "s3": "AWS_(ACCESS_KEY_ID|WEB_IDENTITY_TOKEN_FILE|CONTAINER_CREDENTIALS_.*|SKIP_SIGNATURE)",
    "gs": "GOOGLE_(APPLICATION_CREDENTIALS|SERVICE_ACCOUNT.*|SKIP_SIGNATURE)",
    "a": "AZURE_.*(KEY|SECRET|SAS|TOKEN|CLI|EMULATOR|SKIP_SIGNATURE).*",
}
GOOGLE_FILE = "~/.config/gcloud/application_default_credentials.json"
# Where a machine in the cloud has the credentials of its role.
METADATA = ("169.254.169.254", 80)
METADATA_SECONDS = 1.0
ENDPOINTS_OF_S3 = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def opened(bucket: str) -> ObjectStore:
    """The bucket or container of an address. Raises `StoreError`."""
    given = aws_profile() if bucket.startswith("s3") else {}
    if "access_key_id" not in given:
        _require_credentials(bucket)
    client = CLIENT | {"allow_http": _is_plain()}
    options: dict[str, Any] = {"client_options": client, "retry_config": RETRIES, **given}
    try:
        return from_url(re.sub("^s3a:", "s3:", bucket), **options)
    except Exception as error:
        raise StoreError(f"Cannot open '{bucket}': {reason_of(error)}.") from None


def _is_plain() -> bool:
    """Whether the store is asked without encryption, as a test server on this machine is."""
    plain = any(
        os.environ.get(name, "").startswith("http://")
        for name in (*ENDPOINTS_OF_S3, "AZURE_STORAGE_ENDPOINT")
    )
    return plain or os.environ.get("AZURE_STORAGE_USE_EMULATOR") == "true"


def _require_credentials(bucket: str) -> None:
    """Raise `StoreError` if there can be no credentials: obstore would ask for half a minute."""
    pattern = next(each for scheme, each in CREDENTIALS_OF.items() if bucket.startswith(scheme))
    if any(re.fullmatch(pattern, name) and value for name, value in os.environ.items()):
        return
    if bucket.startswith("gs") and Path(GOOGLE_FILE).expanduser().exists():
        return
    try:
        socket.create_connection(METADATA, METADATA_SECONDS).close()
    except OSError:
        raise StoreError(f"Cannot open '{bucket}': {CREDENTIALS}.") from None


def aws_profile() -> dict[str, Any]:
    """What AWS's own files say, if the environment has no credentials: obstore reads neither."""
    if any(os.environ.get(f"AWS_{name}") for name in ("ACCESS_KEY_ID", "WEB_IDENTITY_TOKEN_FILE")):
        return {}
    profile = os.environ.get("AWS_PROFILE", "default")
    in_config = profile if profile == "default" else f"profile {profile}"
    found: dict[str, str] = {}
    for variable, usual, section in (
        ("AWS_CONFIG_FILE", "~/.aws/config", in_config),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", profile),
    ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(Path(os.environ.get(variable, usual)).expanduser())
        except (configparser.Error, UnicodeDecodeError):
            raise StoreError(f"The file of {variable} ('{usual}') cannot be read.") from None
        if parser.has_section(section):
            found |= dict(parser.items(section))
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    options = {name.removeprefix("aws_"): found[name] for name in names if name in found}
    if "region" in found and not os.environ.get("AWS_REGION"):
        options["region"] = found["region"]
    return options
