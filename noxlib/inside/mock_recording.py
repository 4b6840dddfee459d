"""``--record SERVICE=URL``: a MockServer passes all on to a real peer; what both said becomes expectations.

Headers that hold secrets, and those that are other ones in each run, are left out; of the rest what is a secret by its
name is masked before it is written.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from . import mock_secrets

if TYPE_CHECKING:
    from .mock_server import MockServer

#: Headers of an answer that another run's are not, or that hold a secret. Of a request no header is kept.
DROPPED = (
    *("connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"),
    *("authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "x-api-key", "x-auth-token"),
    *("cookie", "set-cookie"),
)


def forward(server: MockServer, peer: dict[str, Any]) -> None:
    """Let a MockServer pass all requests on. ``peer`` has ``host``, ``port`` and ``scheme``."""
    host = f"{peer['host']}:{peer['port']}"
    override = {"headers": {"Host": [host]}, "socketAddress": peer}
    server.reset()
    server.add([{"httpRequest": {}, "httpOverrideForwardedRequest": {"requestOverride": override}}])
    server.close()


def keep(server: MockServer, folder: str) -> int:
    """Write what a MockServer recorded to ``folder/SERVICE.json``; how many expectations those are."""
    found = expectations(server.recorded())
    server.close()
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{server.name}.json"), "w", encoding="utf-8") as stream:
        json.dump(found, stream, indent=2)
        stream.write("\n")
    return len(found)


def expectations(recorded: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Expectations that answer as the real peer did.

    Equal questions with equal answers are one expectation. Where the answers to a question changed, each holds as
    often as it was given, in that order, and the last one from then on.
    """
    answers: dict[str, list[list[Any]]] = {}  # question -> [answer, how often it was given in a row]
    for one in recorded:
        given = answers.setdefault(json.dumps(_question(one["httpRequest"]), sort_keys=True), [])
        answer = _answer(one["httpResponse"])
        if given and given[-1][0] == answer:
            given[-1][1] += 1
        else:
            given.append([answer, 1])
    return [
        {**asked, "httpResponse": answer, **({} if last else {"times": {"remainingTimes": times, "unlimited": False}})}
        for question, given in answers.items()
        for asked in [{"httpRequest": json.loads(question)}]
        for number, (answer, times) in enumerate(given, 1)
        for last in [number == len(given)]
    ]


def _question(request: dict[str, Any]) -> dict[str, Any]:
    kept = {key: request[key] for key in ("method", "path", "queryStringParameters") if request.get(key)}
    if isinstance(kept.get("queryStringParameters"), dict):
        kept["queryStringParameters"] = mock_secrets.parameters(kept["queryStringParameters"])
    body = mock_secrets.request(_without_bytes(request.get("body")))
    return {**kept, **({"body": body} if body else {})}


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value for name, value in response.get("headers", {}).items() if name.lower() not in DROPPED}
    body = _without_bytes(response.get("body"))
    if isinstance(body, dict) and isinstance(body.get("json"), (dict, list)):
        body = body["json"]  # as a person writes it; its type is among the headers
    kept = {"statusCode": response.get("statusCode"), **mock_secrets.answer({"headers": headers, "body": body})}
    return {key: value for key, value in kept.items() if value not in (None, {}, "")}


def _without_bytes(body: Any) -> Any:
    """A body as what it says, without the bytes that it came as."""
    return {key: value for key, value in body.items() if key != "rawBytes"} if isinstance(body, dict) else body
