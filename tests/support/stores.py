"""Real object stores on loopback, started and stopped by the tests."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from support.proxy import Proxy
from support.repository import ROOT
from user_conversion.places.stores.store import Store

# Planted, so that a test can look for them in everything that a run writes.
KEY, SECRET = "planted-access-key", "planted-secret-key"
BUCKET = "lake-bucket"
STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class RunningStore:
    """A store that can be reached, and the environment variables with which to reach it."""

    address: str
    endpoint: str
    environment: dict[str, str]


def free_ports(count: int) -> list[int]:
    """Ports that are free, and those 10,000 above them, as SeaweedFS wants for its own calls.

    None is one that the system gives to a process that asks for any.
    """
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            port = 11_000 + secrets.randbelow(11_000)
            with contextlib.suppress(OSError):
                for each in (port, port + 10_000):
                    stack.enter_context(socket.create_server(("127.0.0.1", each)))
                found.append(port)
    return found


def weed() -> str | None:
    """SeaweedFS's program, if it is installed."""
    return shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[RunningStore]:
    """An S3 server with one bucket; its files are in a folder."""
    program = weed()
    assert program
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    master, volume, filer, s3 = free_ports(4)
    command = [
        *(program, "server", "-dir", str(folder / "data"), "-ip", "127.0.0.1"),
        *("-ip.bind", "127.0.0.1", f"-master.port={master}", f"-volume.port={volume}"),
        *("-filer", f"-filer.port={filer}", "-s3", f"-s3.port={s3}"),
        *(f"-s3.config={folder / 's3.json'}", "-s3.autoCreateBucket=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=50", "-master.telemetry=false"),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{s3}"
        _wait_for(endpoint, server, folder / "log")
        script = f"s3.bucket.create -name {BUCKET}\n"
        subprocess.run(
            [program, "shell", f"-master=127.0.0.1:{master}"],
            input=script.encode(),
            capture_output=True,
            timeout=STARTS_WITHIN,
            check=True,
            cwd=folder,
        )
        yield RunningStore(
            f"s3://{BUCKET}",
            endpoint,
            {
                "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_ENDPOINT_URL": endpoint,
                "AWS_REGION": "us-east-1",
            },
        )
    finally:
        server.kill()
        server.wait()


def azurite_program() -> str | None:
    """Azurite's program, if it is installed."""
    return shutil.which("azurite-blob") or shutil.which(
        "azurite-blob", path=str(ROOT / "node_modules" / ".bin")
    )


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[RunningStore]:
    """A server of Azure's blobs with one container, in memory."""
    program, (port,) = azurite_program(), free_ports(1)
    assert program
    command = [
        *(program, "--inMemoryPersistence", "--silent", "--disableTelemetry"),
        *("--skipApiVersionCheck", "--blobHost", "127.0.0.1", "--blobPort", str(port)),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_for(endpoint, server, folder / "log")
        _create_container(endpoint)
        yield RunningStore(
            f"az://{BUCKET}",
            endpoint,
            {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": endpoint},
        )
    finally:
        server.kill()
        server.wait()


def _create_container(endpoint: str) -> None:
    # The account and the key of every Azurite, from its documentation.
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    lines = [f"{name}:{value}" for name, value in headers.items()]
    resource = f"/{account}/{account}/{BUCKET}\nrestype:container"
    text = "\n".join(["PUT", *[""] * 11, *lines, resource])
    signed = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    headers["Content-Length"] = "0"
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(signed).decode()}"
    address = f"{endpoint}/{account}/{BUCKET}?restype=container"
    request = urllib.request.Request(address, None, headers, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def _wait_for(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(endpoint, timeout=5).close()
        except urllib.error.HTTPError:
            return  # it answers, if only that it wants a signature
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"The store did not start: {log.read_text(errors='replace')[-2000:]}")


@dataclass(frozen=True)
class Lake:
    """A new place in a bucket, behind a proxy."""

    address: str
    proxy: Proxy

    def at(self, name: str) -> str:
        return f"{self.address}/{name}"

    def put(self, name: str, content: bytes) -> str:
        """Write an object; return its address."""
        Store(self.address).write(name, content)
        return self.at(name)

    def contents(self, below: str = "") -> dict[str, bytes]:
        """The objects that are published, by their names."""
        store = Store(self.address)
        names = [each.name for each in store.list(below)]
        return {name: store.read(name) or b"" for name in names if "/.staging/" not in name}
