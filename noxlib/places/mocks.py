"""The MockServers of a stack and the files with their expectations, which are checked before anything starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from noxlib.errors import PlaceError
from noxlib.places import mock_schema, stack
from noxlib.places.stack import Table
from noxlib.places.stack_lines import Lines

EXPECTATIONS = "MOCKSERVER_INITIALIZATION_JSON_PATH"  #: variable that names the files, a glob among them
PORT = "MOCKSERVER_SERVER_PORT"
DEFAULT_PORT = 1080
_IMAGE = "mockserver"


def servers(services: Mapping[str, Table]) -> dict[str, int]:
    """The services that are MockServers, and the port that each listens at."""
    return {name: _port(service) for name, service in services.items() if _is_mock_server(service)}


def files(service: Table) -> tuple[Path, ...]:
    """The files with a service's expectations, as far as they are mounted from this machine."""
    named = PurePosixPath(stack.environment(service).get(EXPECTATIONS, ""))
    for volume in service.get("volumes") or ():
        target = PurePosixPath(volume.get("target") or "/")
        if volume.get("type") == "bind" and (named == target or target in named.parents):
            source = Path(volume.get("source") or "/")
            return tuple(sorted(source.glob(str(named.relative_to(target))))) if named != target else (source,)
    return ()


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


def check(services: Mapping[str, Table]) -> None:
    """Refuse expectations that MockServer would refuse: it would start without them, and say so in its log alone.

    Raises:
        PlaceError: there are some; each is told.
    """
    found = [what for name in servers(services) for file in files(services[name]) for what in mistakes(file)]
    if found:
        more = f" (and {len(found) - 1} more: nox -s compose_lint tells them)" if len(found) > 1 else ""
        raise PlaceError(f"MockServer would refuse {found[0]}{more}", "correct the file", cause="mocks")


def _is_mock_server(service: Table) -> bool:
    return _IMAGE in str(service.get("image", "")) or bool({EXPECTATIONS, PORT} & set(stack.environment(service)))


def _port(service: Table) -> int:
    """MockServer may listen at several; the first one does."""
    words = stack.environment(service).get(PORT, "").replace(",", " ").split()
    return int(words[0]) if words and words[0].isdecimal() else DEFAULT_PORT


def _line(file: Path, path: mock_schema.Path) -> int:
    """The line of a part of a document: nearly all JSON is YAML, too."""
    return Lines((file,)).at(*path)[1]
