"""A server of HTTP on a port of this machine, whose every answer is what a function of the test says."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from socketserver import BaseServer


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str  #: with the query
    headers: Message
    body: bytes


class Answer(NamedTuple):
    """What is said to it. ``Content-Length`` is added."""

    code: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"


@contextlib.contextmanager
def answering(answer: Callable[[Request], Answer]) -> Iterator[ThreadingHTTPServer]:
    """The server, answering; the function is called in a thread of each connection."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    with serving(server):
        yield server


def host_of(server: ThreadingHTTPServer) -> str:
    """Host and port."""
    return f"127.0.0.1:{server.server_port}"


@contextlib.contextmanager
def serving(server: BaseServer) -> Iterator[None]:
    """Have a server answer in a thread of its own; it is closed at the end."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True  # headers and body go in two parts: the second would wait for an acknowledgement
    protocol_version = "HTTP/1.1"
    answer: Callable[[Request], Answer]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        said = self.answer(Request(self.command, self.path, self.headers, body))
        self.send_response(said.code)
        for name, value in (*said.headers, ("Content-Length", str(len(said.body)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        return
