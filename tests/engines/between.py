"""A proxy between clients and a registry: it counts the bytes that pass, and spoils what a test wants spoiled."""

from __future__ import annotations

import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Callable, NamedTuple, Optional
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from noxlib.engines.registry import Registry

    from .registries import RegistryServer

CHUNK = 1 << 16
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}


class Passed(NamedTuple):
    """One request that was answered by the registry."""

    method: str
    path: str
    code: int
    sent: int  #: bytes of its body


class Answer(NamedTuple):
    """What is answered in the registry's place."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "spoiled by the test"


class Cut(NamedTuple):
    """The connection breaks after so many bytes of the request's body."""

    after: int


class Short(NamedTuple):
    """The connection breaks after so many bytes of the answer's body."""

    after: int


def nothing(_method: str, _path: str) -> None:
    """Let everything pass."""


class Between:
    """In front of a registry in plain text. ``spoil`` is asked before each request, and may take its time."""

    def __init__(self, server: RegistryServer) -> None:
        self.upstream = server
        self.spoil: Callable[[str, str], Optional[Answer | Cut | Short]] = nothing
        self.passed: list[Passed] = []
        self.cut = 0  #: how often a connection was cut in the middle
        handler = type("Bound", (_Handler,), {"between": self})
        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.proxy.daemon_threads = True
        self.host = f"127.0.0.1:{self.proxy.server_port}"
        self._thread = threading.Thread(target=self.proxy.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.shutdown()
        self._thread.join()
        self.proxy.server_close()

    def repository(self, name: str) -> Registry:
        """A repository, by the shortest way."""
        return self.upstream.repository(name)

    def blobs(self) -> list[tuple[str, int]]:
        """Digest and bytes of each layer, configuration, … that came whole to the registry since the last call."""
        passed, self.passed = self.passed, []
        bytes_of: dict[str, int] = {}
        found = []
        for one in passed:
            upload = re.search(r"/blobs/uploads/([^/?]+)", one.path)
            if upload:
                bytes_of[upload[1]] = bytes_of.get(upload[1], 0) + one.sent
                digest = parse_qs(urlsplit(one.path).query).get("digest")
                found += [(digest[0], bytes_of[upload[1]])] if digest and one.method == "PUT" else []
        return found


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    between: Between

    def handle_any(self) -> None:
        verdict = self.between.spoil(self.command, self.path)
        if isinstance(verdict, Answer):
            self._refuse(verdict)
            return
        counted: list[int] = []
        connection = http.client.HTTPConnection(self.between.upstream.host, timeout=300)
        try:
            self._forward(connection, counted, verdict)
        except (OSError, http.client.HTTPException):  # as if the network had ended
            self.close_connection = True
        finally:
            connection.close()

    do_GET = do_HEAD = do_PUT = do_PATCH = do_POST = do_DELETE = handle_any  # noqa: N815 - the standard library's names

    def _refuse(self, answer: Answer) -> None:
        for _ in self._body():
            pass
        self._answer(answer.code, answer.headers, json.dumps({"errors": [{"message": answer.message}]}).encode())

    def _forward(self, connection: http.client.HTTPConnection, counted: list[int], verdict: Cut | Short | None) -> None:
        after = verdict.after if isinstance(verdict, Cut) else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        if "Content-Length" in self.headers:
            headers["Content-Length"] = self.headers["Content-Length"]
        body = self._counted(counted, after) if self._has_body() else None
        connection.request(self.command, self.path, body, headers, encode_chunked="Content-Length" not in headers)
        answer = connection.getresponse()
        found = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        data = answer.read()
        self.between.passed.append(Passed(self.command, self.path, answer.status, sum(counted)))
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        if isinstance(verdict, Short):
            self.between.cut += len(data) > verdict.after
            data, self.close_connection = data[: verdict.after], True
        self._answer(answer.status, found, data, length)

    def _counted(self, counted: list[int], after: Optional[int]) -> Iterator[bytes]:
        for chunk in self._body():
            rest = len(chunk) if after is None else after - sum(counted)
            counted.append(len(chunk[:rest]))
            yield chunk[:rest]
            if rest < len(chunk):
                self.between.cut += 1
                raise ConnectionResetError

    def _has_body(self) -> bool:
        return "Content-Length" in self.headers or "Transfer-Encoding" in self.headers

    def _body(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0:
            chunk = self.rfile.read(min(left, CHUNK))
            if not chunk:
                raise ConnectionResetError
            left -= len(chunk)
            yield chunk

    def _answer(
        self,
        code: int,
        headers: Iterable[tuple[str, str]],
        data: bytes,
        length: Optional[str] = None,
    ) -> None:
        self.send_response_only(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return
