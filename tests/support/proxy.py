"""A proxy before an object store that counts requests and disturbs them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

Headers = list[tuple[str, str]]
SLOW_SECONDS = 0.3
# What is answered instead of asking the store.
REFUSALS = {
    "503": (503, "SlowDown"),
    "409": (409, "ConditionalRequestConflict"),
    "412": (412, "PreconditionFailed"),
    "501": (501, "NotImplemented"),
    "denied": (403, "AccessDenied"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "region": (301, "PermanentRedirect"),
    "archived": (403, "InvalidObjectState"),
}


class Request(NamedTuple):
    """A request as it came: `is_conditional` if it swaps an object."""

    method: str
    path: str
    is_conditional: bool
    is_range: bool


class Proxy:
    """`disturb` names the fault of a request, None for none; `requests` are all that came."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests: list[Request] = []
        self.disturb: Callable[[int, Request], str | None] = lambda number, request: None
        self._lock = threading.Lock()

    def fault_of(self, request: Request) -> str | None:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request)
            return self.disturb(number, request)

    def restart(self) -> None:
        self.requests.clear()
        self.disturb = lambda number, request: None


@contextlib.contextmanager
def proxy_before(endpoint: str) -> Iterator[Proxy]:
    """A proxy on loopback before a store at another port."""
    upstream = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            conditional = {"if-match", "if-none-match"} & {name.lower() for name in self.headers}
            is_swap = self.command == "PUT" and bool(conditional)
            request = Request(self.command, self.path, is_swap, "Range" in self.headers)
            fault = proxy.fault_of(request)
            if fault in REFUSALS:
                status, code = REFUSALS[fault]
                self._answer(status, [], f"<Error><Code>{code}</Code></Error>".encode())
                return
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            if fault == "reset":
                self._reset()
                return
            status, headers, content = self._ask(body)
            if fault == "lost":
                self._reset()
            elif fault == "cut":
                self._answer(status, headers, content, sent=len(content) // 2)
            elif fault == "short":
                self._answer(status, headers, content[: len(content) // 2])
            else:
                self._answer(status, headers, content)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do  # noqa: N815

        def _ask(self, body: bytes) -> tuple[int, Headers, bytes]:
            connection = http.client.HTTPConnection(upstream, timeout=60)
            headers = dict(self.headers.items())
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, answer.getheaders(), content

        def _answer(
            self,
            status: int,
            headers: list[tuple[str, str]],
            content: bytes,
            sent: int | None = None,
        ) -> None:
            self.send_response_only(status)
            is_head = self.command == "HEAD"
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection") and (
                    is_head or name.lower() != "content-length"
                ):
                    self.send_header(name, value)
            if not is_head and status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(content[:sent])
            if sent is not None:
                self._reset()

        def _reset(self) -> None:
            self.wfile.flush()
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that went away is no error."""

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy = Proxy(server)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
