"""Known secrets in what was recorded of a real peer: they are masked, and the expectation still meets what was asked.

What only the name of a field tells to be one, ``inside/mock_secrets.py`` has masked before it was written.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Callable

from noxlib.secret import MASK, Masker

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY = ".*"
ANY_TEXT, ANY_NUMBER = "${json-unit.any-string}", "${json-unit.any-number}"  #: MockServer's, in a JSON body
_BYTES = "base64Bytes"  #: of a body that is no text
#: What we and MockServer call the parts of an expectation; whatever a secret is, they stay.
_WORDS = {"httpResponse", "statusCode", "headers", "body", "times", "remainingTimes", "unlimited"}
_WORDS |= {"type", "json", "string", "xml", "parameters", "contentType", _BYTES}

_Change = Callable[[str], str]


def masked(expectation: dict[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """An expectation without known secrets.

    In an answer they become ``***``. Of a request, the path and the query become patterns that take anything there,
    JSON takes any text there, and a body of another kind is left out: then any will do.
    """
    masker = Masker(secrets)

    def hidden(text: str) -> str:
        return masker.mask(text)

    def pattern(text: str) -> str:
        parts = hidden(text).split(MASK)
        return ANY.join(map(re.escape, parts)) if hidden(text) != text else text

    found = {key: _leaves(value, hidden, hidden, 0) for key, value in expectation.items() if key != "httpRequest"}
    asked = dict(expectation.get("httpRequest") or {})
    body = asked.pop("body", None)
    kept = {key: _leaves(value, pattern, pattern, 0) for key, value in asked.items()}
    return {"httpRequest": {**kept, **_body(body, hidden)}, **found}


def _body(body: Any, hidden: _Change) -> dict[str, Any]:
    """The part of a request that has its body, where any of it is left."""
    if body is None:
        return {}
    is_json = isinstance(body, dict) and body.get("type") == "JSON"

    def text(value: str) -> str:
        return ANY_TEXT if is_json and hidden(value) != value else hidden(value)

    found = _leaves(body, hidden, text, ANY_NUMBER)
    lost = found != body and (not is_json or MASK in json.dumps(found))
    return {} if lost else {"body": found}


def _leaves(value: Any, hidden: _Change, text: _Change, number: Any) -> Any:
    """A JSON value with the names in it ``hidden``, its texts changed, and ``number`` where a number is a secret."""
    if isinstance(value, dict):
        return {
            key if key in _WORDS else hidden(key): _leaves(_readable(key, inner, hidden), hidden, text, number)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_leaves(inner, hidden, text, number) for inner in value]
    if isinstance(value, str):
        return text(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number if is_number and hidden(str(value)) != str(value) else value


def _readable(key: str, value: Any, hidden: _Change) -> Any:
    """A value; bytes in base64 are masked as what they are, so that they stay base64."""
    if key != _BYTES or not isinstance(value, str):
        return value
    try:
        content = base64.b64decode(value, validate=True).decode(errors="surrogateescape")
    except ValueError:
        return value
    return base64.b64encode(hidden(content).encode(errors="surrogateescape")).decode()
