"""A testground's file system on a machine that ssh reaches: unpacked once for each image, whole or not at all."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from typing import TYPE_CHECKING, Callable

from noxlib.errors import EngineError, NoxlibError
from noxlib.places import remote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxlib.engines.ssh import Connection
    from noxlib.ledger import Ledger

_UNPACK = 'umask 077; mkdir -p "$1" && mkdir -m 755 "$2" && cd "$2" && umask 022 && {}tar -xpf - --numeric-owner'
_PUBLISH = 'touch "$1"; mv -T -- "$1" "$2" 2>/dev/null || { test -d "$2" && rm -rf -- "$1"; }'
KEPT_DAYS = 14  #: that a testground is kept which no run has entered
#: Each run touches the one that it enters: what is old has not been entered for as long.
_TAKE = 'test -d "$1" && touch "$1"'
# $1 the folder of all. What some process has mounted is in use, however old; out of sight first, then gone.
_FORGET = f"""
find "$1" -mindepth 1 -maxdepth 1 -type d -name "[0-9a-f]*" -mtime +{KEPT_DAYS - 1} | while read -r old; do
    grep -lqsF "$old" /proc/[0-9]*/mountinfo && continue
    mv -T "$old" "$1/.old-${{old##*/}}"
done
rm -rf "$1"/.old-*
"""
#: How a tar is made small on the way, the best first: program here, program there.
_WAYS = (
    (("zstd", "-1", "-q", "-c"), "zstd -dcq | "),
    (("gzip", "-1", "-c"), "gzip -dc | "),
)


def ensure(connection: Connection, ledger: Ledger, image: str, chunks: Callable[[], Iterable[bytes]]) -> str:
    """The folder there that holds an image's file system; it is sent where it is not there yet.

    Args:
        connection: Open.
        ledger: Where a half-made folder is written down.
        image: The image's id, ``sha256:…``.
        chunks: The file system as a tar, asked for only where it has to be sent.

    Raises:
        PlaceError: The connection is lost.
        EngineError: It cannot be unpacked there, for instance because the disk is full.
    """
    digest = image.partition(":")[2] or image
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise EngineError(f"{image!r} is no id of an image", "see `docker image inspect`")
    folder = f"{remote.BASE}/testgrounds/{digest}"
    if connection.run(("sh", "-c", _TAKE, "take", folder), check=False).returncode != 0:
        print(f"noxlib: sending the testground to {connection.target}, once for this image", flush=True)
        _send(connection, ledger, folder, chunks())
    return folder


def _send(connection: Connection, ledger: Ledger, folder: str, chunks: Iterable[bytes]) -> None:
    parent, _, name = folder.rpartition("/")
    aside = f"{parent}/.{name[:16]}-{secrets.token_hex(4)}"
    connection.run(("sh", "-c", _FORGET, "forget", parent), check=False)
    through, unpack = _way(connection)
    entry = remote.note(ledger, connection, aside)
    try:
        connection.feed(("sh", "-c", _UNPACK.format(unpack), "unpack", parent, aside), chunks, through=through)
        connection.run(("sh", "-c", _PUBLISH, "publish", aside, folder))
    except BaseException:
        with contextlib.suppress(NoxlibError):  # then the ledger keeps it for the next start
            remote.remove(connection, aside)
            ledger.strike(entry)
        raise
    ledger.strike(entry)


def _way(connection: Connection) -> tuple[tuple[str, ...], str]:
    missing = remote.look(connection, ("zstd", "gzip")).missing
    for here, there in _WAYS:
        if shutil.which(here[0]) and here[0] not in missing:
            return here, there
    return (), ""
