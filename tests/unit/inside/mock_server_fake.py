"""A server that has of MockServer what noxlib asks it: so that tests need no engine."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit


class FakeMockServer(http.server.ThreadingHTTPServer):
    """Answers by exact methods and paths; the expectation of highest priority first."""

    daemon_threads = True

    def __init__(self, expectations: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.expectations = list(expectations)
        self.log: list[tuple[dict[str, Any], str | None]] = []  # request, id of the expectation
        self.thread = threading.Thread(target=self.serve_forever, args=[0.05], daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()

    def answer(self, method: str, path: str) -> int:
        """The status of the answer to a request, which is logged."""
        asked = {"method": method, "path": path}
        met = [one for one in self.expectations if one["httpRequest"] == asked]
        found = max(met, key=lambda one: int(one.get("priority", 0)), default=None)
        self.log.append((asked, found["id"] if found else None))
        return int(found["httpResponse"].get("statusCode", 200)) if found else 404

    def control(self, word: str, query: dict[str, list[str]], given: Any) -> Any:
        """What MockServer's own interface answers."""
        kind = query.get("type", [""])[0]
        if word == "expectation":
            made = [{"id": f"made {number}", **one} for number, one in enumerate(given, len(self.expectations))]
            ids = {one["id"] for one in made}
            self.expectations = [one for one in self.expectations if one["id"] not in ids] + made
            return made
        if word == "clear" and kind == "LOG":
            self.log.clear()
        elif word == "clear":
            self.expectations = [one for one in self.expectations if one["id"] != given["id"]]
        elif kind == "REQUESTS":
            return [asked for asked, _ in self.log if (given or {}).items() <= asked.items()]
        elif kind == "REQUEST_RESPONSES":
            entries = [(asked, met) for asked, met in self.log if met]
            return [{"type": "EXPECTATION_RESPONSE", "httpRequest": a, "message": ["", f"   {m}"]} for a, m in entries]
        elif kind == "ACTIVE_EXPECTATIONS":
            return self.expectations
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: FakeMockServer

    def handle_one(self) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        head, _, word = parts.path.partition("/mockserver/")
        if word and not head:
            said = self.server.control(word, parse_qs(parts.query), json.loads(text) if text else None)
            self.say(200, b"" if said is None else json.dumps(said).encode())
        else:
            self.say(self.server.answer(self.command, parts.path), b"")

    do_GET = do_PUT = do_POST = handle_one  # noqa: N815 - http.server's names

    def say(self, status: int, text: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass
