"""MockServer's own interface over HTTP: what it was asked, what it answered by, what it expects.

https://www.mock-server.com/mock_server/mockserver_clients.html, of version 5.15. The logs that are asked for here are
kept whatever its level is.
"""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

PATIENCE = 120.0  # seconds for an answer, which takes milliseconds on an idle machine
MATCHED = ("EXPECTATION_RESPONSE", "FORWARDED_REQUEST")  #: entries of the log that an expectation was met


class Gone(OSError):
    """A MockServer does not answer any more."""


class Request(NamedTuple):
    """A request as a mock peer got it. ``query`` and ``headers`` have a list of values for each name."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, list[str]]
    body: Any  #: text, or what a JSON body says; None: it had none

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class MockServer:
    """One MockServer, by a connection that is kept: a new one takes longer than most answers. ``close`` ends it.

    Args:
        name: The service's.
        host: Where it answers.
        port: Its port there.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name, self.host, self.port = name, host, port
        self.connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)

    def close(self) -> None:
        """Close the connection; it is made anew when something is asked again."""
        self.connection.close()

    def put(self, path: str, body: Any = None) -> Any:
        """What it says. Raises Gone where it does not answer, ValueError with its own words where it refuses."""
        try:
            status, text = self._asked(path, None if body is None else json.dumps(body))
        except (OSError, http.client.HTTPException) as error:
            why = str(error) or type(error).__name__
            raise Gone(f"the mock peer {self.name} does not answer at {self.host}:{self.port}: {why}") from None
        if status >= http.client.BAD_REQUEST:
            raise ValueError(f"the mock peer {self.name} refuses it: {text.strip()}")
        try:
            return json.loads(text) if text.strip().startswith(("[", "{")) else text
        except ValueError:
            raise ValueError(f"the mock peer {self.name} answers what is no JSON: {text.strip()[:80]!r}") from None

    def listed(self, path: str, body: Any = None) -> list[Any]:
        """What it says, where that is a list. Raises as ``put`` does, ValueError also where it is another thing."""
        found = self.put(path, body) or []
        if not isinstance(found, list):  # a value of another's, no argument of ours
            raise ValueError(f"the mock peer {self.name} answers otherwise than a MockServer: {str(found)[:80]!r}")  # noqa: TRY004
        return found

    def _asked(self, path: str, body: str | None) -> tuple[int, str]:
        """Status and text; where the connection that was kept has ended meanwhile, by a new one."""
        kept = self.connection.sock is not None
        try:
            self.connection.request("PUT", f"/mockserver/{path}", body)
            answer = self.connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            self.connection.close()
            if not kept:
                raise
            return self._asked(path, body)

    def requests(self, matcher: Any = None) -> list[Request]:
        """The requests since the log was cleared, those that a matcher fits if there is one."""
        return [as_request(found) for found in self.listed("retrieve?type=REQUESTS&format=JSON", matcher)]

    def answered(self) -> list[tuple[str, Request]]:
        """The expectation's id and the request, for each request that met one since the log was cleared."""
        entries = self.listed("retrieve?type=REQUEST_RESPONSES&format=LOG_ENTRIES")
        met = [entry for entry in entries if entry.get("type") in MATCHED]
        return [(entry["message"][-1].strip(), as_request(entry["httpRequest"])) for entry in met]

    def expectations(self) -> list[dict[str, Any]]:
        """Those that are active."""
        return self.listed("retrieve?type=ACTIVE_EXPECTATIONS&format=JSON")

    def recorded(self) -> list[dict[str, Any]]:
        """Expectations made of what was forwarded, in the order in which it was."""
        return self.listed("retrieve?type=RECORDED_EXPECTATIONS&format=JSON")

    def add(self, expectations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add expectations, or replace those of the same ids; them as they are now."""
        return self.listed("expectation", expectations)

    def remove(self, expectation: str) -> None:
        """Remove the expectation of an id."""
        self.put("clear?type=EXPECTATIONS", {"id": expectation})

    def forget(self) -> None:
        """Clear the log; the expectations stay."""
        self.put("clear?type=LOG")

    def reset(self) -> None:
        """Remove all expectations, and clear the log."""
        self.put("reset")


def as_request(found: dict[str, Any]) -> Request:
    """A request from MockServer's JSON."""
    return Request(
        str(found.get("method", "")),
        str(found.get("path", "")),
        _values(found.get("queryStringParameters")),
        _values(found.get("headers")),
        _body(found.get("body")),
    )


def label(expectation: dict[str, Any]) -> str:
    """What an expectation is called: its method and path."""
    asked = expectation.get("httpRequest") or {}
    words = (asked.get("method", "any method"), asked.get("path", asked.get("operationId", "any path")))
    return " ".join(word if isinstance(word, str) else json.dumps(word) for word in words)


def _values(given: Any) -> dict[str, list[str]]:
    return {str(name): [str(value) for value in values] for name, values in (given or {}).items()}


def _body(given: Any) -> Any:
    """MockServer tells a body as text, as its JSON, or as a table of its type and its content."""
    if not isinstance(given, dict) or "type" not in given:
        return given
    kind = str(given["type"])
    return given.get({"JSON": "json", "STRING": "string", "XML": "xml", "BINARY": "base64Bytes"}.get(kind, ""), given)
