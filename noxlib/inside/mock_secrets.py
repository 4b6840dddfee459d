"""What of a recorded exchange is a secret by the name of its field: in JSON, forms, queries and headers.

In an answer its value becomes ``***``, a number 0. In a request, where the value decides which one is meant, the
expectation takes any: ``.*``, or a placeholder of JSON (https://www.mock-server.com, "json body matching with
placeholders"); a body of another kind is left out.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote_plus

MASK = "***"
ANY = ".*"
ANY_TEXT = "${json-unit.any-string}"
ANY_NUMBER = "${json-unit.any-number}"
_PARTS = (
    *(
        "password",
        "passwd",
        "passphrase",
        "token",
        "secret",
        "credential",
        "authorization",
        "signature",
        "cookie",
        "jwt",
    ),
    *("api_?key", "access_?key", "private_?key", "session_?id", "session_?key"),
)
_SECRET = re.compile("|".join(_PARTS))
_WORDS = {"pwd", "pass", "auth", "otp", "pin", "csrf", "xsrf"}
_ABOUT = {"type", "count", "limit", "length", "expires", "expiry", "at", "in", "url", "uri", "endpoint"}  # token_type
_SEPARATOR = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
#: ``name=value`` as forms and URLs have it, and ``"name": "value"`` of JSON in a text.
_PAIR = re.compile(r"""(^|[?&;\s])([^=&;?\s"'<>]+)=([^&;\s"'<>#]+)""")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:\s*)("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)')
_FORM = re.compile(r"[^\s{}<>\"]+")


def sounds_secret(name: str) -> bool:
    """Whether a field of this name holds a secret: ``accessToken``, ``X-Api-Key``; not ``token_type``."""
    words = [word.lower() for word in _SEPARATOR.split(name) if word]
    return bool(words) and words[-1] not in _ABOUT and bool(_SECRET.search("_".join(words)) or _WORDS & set(words))


def text(value: str) -> str:
    """A text without the values of fields in it that hold secrets."""
    return _QUOTED.sub(_quoted, _PAIR.sub(_pair, value))


def _pair(found: re.Match[str]) -> str:
    before, name, _ = found.groups()
    return f"{before}{name}={MASK}" if sounds_secret(unquote_plus(name)) else found[0]


def _quoted(found: re.Match[str]) -> str:
    name, between, value = found.groups()
    return (
        found[0] if not sounds_secret(name) else f'{name}{between}"{MASK}"' if value[0] == '"' else f"{name}{between}0"
    )


def answer(value: Any, *, secret: bool = False) -> Any:
    """A body or the headers of an answer, without secrets."""
    return _leaves(value, (MASK, 0), secret=secret)


def parameters(values: dict[str, list[str]]) -> dict[str, list[str]]:
    """A query or a form of a request, which takes any value where there was a secret."""
    return {name: [ANY for _ in given] if sounds_secret(name) else given for name, given in values.items()}


def request(body: Any) -> Any:
    """A body of a request, which takes any value where there was a secret; None: it takes any body."""
    content = body.get("string") if isinstance(body, dict) else body
    if isinstance(content, str):
        return body if text(content) == content else _form(content)
    if isinstance(body, dict) and isinstance(body.get("parameters"), dict):
        return {**body, "parameters": parameters(body["parameters"])}
    return _leaves(body, (ANY_TEXT, ANY_NUMBER))


def _form(content: str) -> Any:
    found = parse_qs(content, keep_blank_values=True) if _FORM.fullmatch(content) else {}
    return {"type": "PARAMETERS", "parameters": parameters(found)} if found else None


def _leaves(value: Any, instead: tuple[Any, Any], *, secret: bool = False) -> Any:
    """A JSON value with others in the place of secrets: one for texts, one for numbers."""
    if isinstance(value, dict):
        return {key: _leaves(inner, instead, secret=secret or sounds_secret(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_leaves(inner, instead, secret=secret) for inner in value]
    if isinstance(value, str):
        cleared = text(value)
        if instead[0] == MASK and not secret:
            return cleared
        return instead[0] if (secret and value) or cleared != value else value
    return instead[1] if secret and isinstance(value, (int, float)) and not isinstance(value, bool) else value
