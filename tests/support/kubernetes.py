"""A stand-in for the API of Kubernetes on the loopback address: its pods are processes.

It answers what a server of Sail asks for: read a pod, create a pod, delete the pods with a label.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

HOST, NAMESPACE = "127.0.0.1", "default"


@dataclass
class Pod:
    """A pod of one container, as a process of its own with all that it starts in one group."""

    definition: dict[str, Any]
    process: subprocess.Popen[bytes]
    log: Path

    def is_running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Kubernetes:
    """A cluster of this machine alone; the folder has its configuration and the logs of pods."""

    folder: Path
    pods: dict[str, Pod] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig.json"

    def create(self, definition: dict[str, Any]) -> Pod:
        name = definition["metadata"]["name"]
        definition["metadata"]["uid"] = name
        (container,) = definition["spec"]["containers"]
        # On a cluster they would listen for other machines.
        words = [word.replace("0.0.0.0", HOST) for word in container["command"] + container["args"]]
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                words,
                env=self._environment(name, container["env"]),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pods[name] = Pod(definition, process, log)
        return self.pods[name]

    def _environment(self, name: str, wanted: list[dict[str, Any]]) -> dict[str, str]:
        fields = {
            "metadata.name": name,
            "metadata.namespace": NAMESPACE,
            "status.podIP": HOST,
        }
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.kubeconfig),
        }
        for each in wanted:
            value = each.get("value")
            if value is None:
                value = fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
            environment[each["name"]] = value.replace("0.0.0.0", HOST)
        return environment

    def delete(self, label: str) -> None:
        name, _, value = label.partition("=")
        for pod in self.pods.values():
            if pod.definition["metadata"]["labels"].get(name) == value:
                pod.kill()


@contextmanager
def kubernetes(folder: Path) -> Iterator[Kubernetes]:
    """A cluster for a while; at the end its pods are killed."""
    cluster = Kubernetes(folder)
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(200, cluster.pods[self.path.removeprefix(f"{path}/")].definition)

        def do_POST(self) -> None:
            assert urlsplit(self.path).path == path
            self._answer(201, cluster.create(self._body()).definition)

        def do_DELETE(self) -> None:
            assert urlsplit(self.path).path == path
            self._body()
            cluster.delete(*parse_qs(urlsplit(self.path).query)["labelSelector"])
            self._answer(200, {"apiVersion": "v1", "kind": "Status", "status": "Success"})

        def _body(self) -> dict[str, Any]:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return json.loads(text or "{}")

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        cluster.kubeconfig.write_text(json.dumps(_kubeconfig(server.server_port)))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield cluster
        finally:
            server.shutdown()
            thread.join()
            for pod in cluster.pods.values():
                pod.kill()


def _kubeconfig(port: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://{HOST}:{port}"}}],
        "users": [{"name": "nobody", "user": {}}],
    }
