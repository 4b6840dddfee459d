"""The MockServers of a stack and the files with their expectations, which are checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Optional

from noxlib.errors import PlaceError
from noxlib.places import mock_schema, stack, stack_known
from noxlib.places.stack import Table
from noxlib.places.stack_lines import Lines

EXPECTATIONS = "MOCKSERVER_INITIALIZATION_JSON_PATH"  #: variable that names the files, a glob among them
PORT = "MOCKSERVER_SERVER_PORT"
PERSISTED = "MOCKSERVER_PERSISTED_EXPECTATIONS_PATH"  #: variable that names the file that MockServer writes
DEFAULT_PORT = 1080
_WILDCARDS = frozenset("*?[{")


def servers(services: Mapping[str, Table]) -> dict[str, int]:
    """The services that are MockServers, and the port that each listens at."""
    return {name: _port(service) for name, service in services.items() if _is_mock_server(service)}


def files(service: Table) -> tuple[Path, ...]:
    """The files with a service's expectations, as far as they are mounted from this machine.

    One that is named without a wildcard is among them whether it is there or not.
    """
    source, pattern = _place(service)
    if source is None or not _WILDCARDS & set(pattern):
        return (source / pattern,) if source else ()
    try:
        return tuple(sorted(source.glob(pattern)))
    except ValueError:  # ``**.json``: a wildcard of MockServer's alone
        return ()


def _place(service: Table) -> tuple[Optional[Path], str]:
    """The mounted file or folder that covers the named path, and what is named below it; None: it is not ours."""
    named = PurePosixPath(stack.environment(service).get(EXPECTATIONS, ""))
    mounted = (*(service.get("volumes") or ()), *(service.get("configs") or ()))
    targets = ((PurePosixPath(one.get("target") or "/"), one) for one in mounted)
    covering = [(target, one) for target, one in targets if named == target or target in named.parents]
    nothing: tuple[PurePosixPath, Table] = (named, {})
    target, inmost = max(covering, key=lambda pair: len(pair[0].parts), default=nothing)
    source = Path(inmost.get("source") or "/") if inmost.get("type") == "bind" else None
    return source, str(named.relative_to(target))


def problems(service: Table) -> Iterator[str]:
    """What MockServer would refuse of a service's expectations: what is wrong with a file, or that there is none."""
    variables, found = stack.environment(service), files(service)
    if variables.get(PERSISTED) == variables.get(EXPECTATIONS) and not _there(service):
        return  # MockServer itself makes it
    for file in found:
        yield from mistakes(file)
    source, pattern = _place(service)
    if source is not None and not found and "**" not in pattern and "{" not in pattern:
        yield f"{pattern}: there is no such file in {source.name}"


def mistakes(file: Path) -> Iterator[str]:
    """What is wrong with a file: its line, where in the document, and what MockServer would refuse there."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        yield f"{file.name}: it cannot be read: {error.strerror}"
    except json.JSONDecodeError as error:
        yield f"{file.name}:{error.lineno}:{error.colno}: {error.msg}"
    except UnicodeDecodeError:
        yield f"{file.name}: it is no text in UTF-8"
    else:
        for path, what in mock_schema.problems(document):
            yield f"{file.name}:{_line(file, path)}: {mock_schema.told(path)}: {what}"


def check(services: Mapping[str, Table], recording: Container[str] = ()) -> None:
    """Refuse expectations that MockServer would refuse: it would start without them, and say so in its log alone.

    Args:
        services: The stack's.
        recording: Those whose file is only to be made.

    Raises:
        PlaceError: there are some; each is told.
    """
    mocks = (services[name] for name in servers(services) if name not in recording or _there(services[name]))
    found = [what for service in mocks for what in problems(service)]
    if found:
        more = f" (and {len(found) - 1} more: nox -s compose_lint tells them)" if len(found) > 1 else ""
        raise PlaceError(f"MockServer would refuse {found[0]}{more}", "correct the file", cause="mocks")


def _there(service: Table) -> bool:
    return any(file.exists() for file in files(service))


def _is_mock_server(service: Table) -> bool:
    known = stack_known.known(service) is stack_known.KNOWN["mockserver"]
    return known or bool({EXPECTATIONS, PORT} & set(stack.environment(service)))


def _port(service: Table) -> int:
    """MockServer may listen at several; the first one does."""
    words = stack.environment(service).get(PORT, "").replace(",", " ").split()
    return int(words[0]) if words and words[0].isdecimal() else DEFAULT_PORT


def _line(file: Path, path: mock_schema.Path) -> int:
    """The line of a part of a document: nearly all JSON is YAML, too."""
    return Lines((file,)).at(*path)[1]
