"""The PostgreSQL of a stack: which service it is, SQL files for it, its data folder saved and laid down again."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

import msgspec

from noxlib.errors import EngineError
from noxlib.places import stack_known, tars

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.places.stack import Stack, Table

SAVED = "/noxlib-data.tar"  #: where the saved data folder is in the service's container
SEED = "noxlib-seed.sql"  #: in its root folder
COPY = "/tmp/noxlib-data"  # noqa: S108 - in a container that is the run's alone
#: As the image's own entrypoint does: a data folder that is there already is taken as it is.
LAY_DOWN = f"""
set -e
data=${{PGDATA:-/var/lib/postgresql/data}}
if [ ! -s "$data/PG_VERSION" ]; then mkdir -p "$data"; tar -xf {SAVED} -C "$data" --strip-components=1; fi
chmod 700 "$data"
exec "$@"
"""
_ASK = 'export PGPASSWORD="${POSTGRES_PASSWORD:-}" PGUSER="${POSTGRES_USER:-postgres}"'
#: A copy of the data folder while the server runs, consistent by its own word; only if it lies where LAY_DOWN puts it.
SAVE = f"""
set -e
{_ASK}
[ "$(psql -XAtd postgres -c 'SHOW data_directory')" = "$PGDATA" ] || {{ echo "the data are not in PGDATA"; exit 1; }}
rm -rf {COPY}
pg_basebackup -D {COPY} -X fetch -c fast --no-sync
"""
LOAD = f'{_ASK}; exec psql -X -q -v ON_ERROR_STOP=1 -d "${{1:-${{POSTGRES_DB:-$PGUSER}}}}" -f /{SEED}'


class Postgres(msgspec.Struct, frozen=True):
    """One service of a stack, and the database in it that the tests use; empty: the one that the image makes."""

    service: str
    database: str = ""


def find(stack: Stack) -> Optional[Postgres]:
    """The PostgreSQL that the runner's DATABASE_URL names, else the only one."""
    known = stack_known.KNOWN["postgres"]
    names = [name for name, service in stack.services.items() if stack_known.known(service) is known]
    try:
        url = urlsplit(stack.attachment.environment.get("DATABASE_URL", ""))
    except ValueError:  # a bracket in its password
        url = urlsplit("")
    if url.hostname in names:
        return Postgres(str(url.hostname), url.path.strip("/"))
    return Postgres(names[0]) if len(names) == 1 else None


def laid_down(service: Table, image: ImageInfo, saved: Path) -> Table:
    """What makes a service begin with a saved data folder, whatever its own is made of: a volume, or memory."""
    own = service.get("entrypoint")
    entrypoint = image.entrypoint if own is None else own
    command = service.get("command") or (image.command if own is None else ())
    bind = {"type": "bind", "source": str(saved), "target": SAVED, "read_only": True}
    return {
        "entrypoint": ["/bin/sh", "-c", LAY_DOWN, "noxlib", *entrypoint],
        "command": list(command),
        "volumes": [bind],
    }


def save(docker: Docker, container: str, target: Path) -> None:
    """Write the data folder of a running server as a tar.

    Raises:
        EngineError: the server refuses it, or the engine fails.
        OSError: this machine's disk is full.
    """
    code, output = docker.execute(container, ("/bin/sh", "-c", SAVE))
    chunks = docker.get_archive(container, COPY) if code == 0 else None
    if chunks is None:
        raise EngineError(last_line(output), "look at the service's log")
    with target.open("wb") as stream:
        stream.writelines(chunks)
    docker.execute(container, ("rm", "-rf", COPY))


def load(docker: Docker, container: str, database: str, file: Path) -> tuple[int, bytes]:
    """Carry a SQL file out by psql, in the service's own container; its exit code and what it printed."""
    with tars.pack([(SEED, file)], 0, 0) as tar:
        docker.put_archive(container, "/", tar)
    return docker.execute(container, ("/bin/sh", "-c", LOAD, "noxlib", database))


def binds(service: Table) -> Iterator[str]:
    """The paths of this machine that a service sees: scripts for a new database among them."""
    for volume in service.get("volumes") or ():
        if volume.get("type") == "bind" and volume.get("source"):
            yield posixpath.normpath(str(volume["source"]))


def settings(service: Table) -> dict[str, Any]:
    """What of a service decides what its new database is like."""
    return {key: service.get(key) for key in ("entrypoint", "command", "environment", "user")}


def last_line(output: bytes) -> str:
    """The last line that a program printed."""
    lines: Iterable[str] = output.decode("utf-8", "replace").strip().splitlines()
    return (list(lines) or ["it printed nothing"])[-1].strip()
