"""The shape of MockServer's expectations, of version 5.15, and what of a document is not of it. Pure.

After the JSON schemas in MockServer's own jar (``org/mockserver/model/schema``); our tests ask MockServer itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, Union

Path = tuple[Union[str, int], ...]
Problem = tuple[Path, str]  #: where in the document, and what is wrong there

_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}
#: A shape is a type, some types, the allowed words, or the keys of an object and their shapes.
_TEXT = (str, dict)  #: a text, or an object with ``value``, ``not``, ``schema``
_VALUES = (dict, list)  #: names and their values
_BODY = (dict, list, str)
_UNIT = ["DAYS", "HOURS", "MINUTES", "SECONDS", "MILLISECONDS", "MICROSECONDS", "NANOSECONDS"]
_SCHEME = ["HTTP", "HTTPS"]
_DELAY = {"timeUnit": str, "value": int}
_ADDRESS = {"host": str, "port": int, "scheme": _SCHEME}
_CLASS = {"delay": _DELAY, "callbackClass": str}
_OBJECT = {"delay": _DELAY, "clientId": str, "responseCallback": bool}
_TEMPLATE = {"delay": _DELAY, "templateType": ["VELOCITY", "JAVASCRIPT", "MUSTACHE"], "template": str}
_CONNECTION = {
    "suppressContentLengthHeader": bool,
    "contentLengthHeaderOverride": int,
    "suppressConnectionHeader": bool,
    "chunkSize": int,
    "keepAliveOverride": bool,
    "closeSocket": bool,
    "closeSocketDelay": _DELAY,
}
_REQUEST = {
    "method": _TEXT,
    "path": _TEXT,
    "pathParameters": _VALUES,
    "queryStringParameters": _VALUES,
    "headers": _VALUES,
    "cookies": _VALUES,
    "body": _BODY,
    "secure": bool,
    "keepAlive": bool,
    "protocol": ["HTTP_1_1", "HTTP_2"],
    "socketAddress": _ADDRESS,
    "localAddress": str,
    "remoteAddress": str,
    "clientCertificateChain": list,
}
_BY_OPENAPI = {"specUrlOrPayload": (str, dict), "operationId": str}
_RESPONSE = {
    "statusCode": int,
    "reasonPhrase": str,
    "headers": _VALUES,
    "cookies": _VALUES,
    "body": _BODY,
    "delay": _DELAY,
    "connectionOptions": _CONNECTION,
}
_OVERRIDE = {
    "delay": _DELAY,
    "requestOverride": _REQUEST,
    "requestModifier": dict,
    "responseOverride": _RESPONSE,
    "responseModifier": dict,
    "httpRequest": _REQUEST,
    "httpResponse": _RESPONSE,
}
_ACTIONS = {
    "httpResponse": _RESPONSE,
    "httpResponseTemplate": _TEMPLATE,
    "httpResponseClassCallback": _CLASS,
    "httpResponseObjectCallback": _OBJECT,
    "httpForward": {"delay": _DELAY, **_ADDRESS},
    "httpForwardTemplate": _TEMPLATE,
    "httpForwardClassCallback": _CLASS,
    "httpForwardObjectCallback": _OBJECT,
    "httpOverrideForwardedRequest": _OVERRIDE,
    "httpError": {"delay": _DELAY, "dropConnection": bool, "responseBytes": str},
}
_EXPECTATION = {
    "id": str,
    "priority": int,
    "httpRequest": _REQUEST,
    "times": {"remainingTimes": int, "unlimited": bool},
    "timeToLive": {"timeUnit": _UNIT, "timeToLive": int, "endDate": int, "unlimited": bool},
    "timestamp": str,
    **_ACTIONS,
}


def problems(document: Any) -> Iterator[Problem]:
    """What MockServer would refuse of a document: one expectation, or a list of them."""
    if not isinstance(document, list):
        yield from _expectation(document, ())
        return
    for number, expectation in enumerate(document):
        yield from _expectation(expectation, (number,))


def _expectation(value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, "an expectation is an object"
        return
    request = value.get("httpRequest")
    by_openapi = isinstance(request, dict) and "specUrlOrPayload" in request
    yield from _of(value, {**_EXPECTATION, "httpRequest": _BY_OPENAPI} if by_openapi else _EXPECTATION, path)
    actions = [key for key in _ACTIONS if key in value]
    if len(actions) != 1 and not set(value) - set(_EXPECTATION):
        found = f"it has {' and '.join(actions)}" if actions else "it has none"
        yield path, f"an expectation has one of httpResponse, httpForward, httpError and their like; {found}"


def _of(value: Any, shape: Any, path: Path) -> Iterator[Problem]:
    """What of a value is not of a shape."""
    if isinstance(shape, dict):
        yield from _keys(value, shape, path)
    elif isinstance(shape, list):
        if value not in shape:
            yield path, f"expected {' or '.join(shape)}, found {value!r}"
    elif not _is(value, shape if isinstance(shape, tuple) else (shape,)):
        names = (_NAMES[kind] for kind in (shape if isinstance(shape, tuple) else (shape,)))
        yield path, f"expected {' or '.join(names)}, found {value!r}"


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _keys(value: Any, shape: dict[str, Any], path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, f"expected an object, found {value!r}"
        return
    for key, inner in value.items():
        if key in shape:
            yield from _of(inner, shape[key], (*path, key))
        else:
            near = difflib.get_close_matches(key, shape, 1)
            yield (*path, key), f"there is no {key!r}" + (f"; did you mean {near[0]}?" if near else "")


def told(path: Path) -> str:
    """A path in words: ``[0].httpRequest.path``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the document"
