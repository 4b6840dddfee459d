"""A testground's file system as a disk of a virtual machine: made once per image, then only read."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Callable

from noxlib import temporary
from noxlib.engines import golden, qemu
from noxlib.ledger import Ledger
from noxlib.places import noted
from noxlib.testground import rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.engines.docker import Docker

ROOT = "root"  #: folder of the disk with the testground's file system; beside it there is room for runs
COMPILE_SECONDS = 600.0
_FORMAT = "2"  # of what is made here; part of the key
#: Images leave bytecode out to be small. An emulated machine would compile the standard library at each start of
#: Python, for seconds: it is compiled here, by the testground's own interpreter.
_COMPILE = (
    "import compileall, sysconfig; found = {sysconfig.get_path(name) for name in ('stdlib', 'purelib', 'platlib')}; "
    "[compileall.compile_dir(path, quiet=2, workers=0) for path in sorted(found)]"
)


def key(image: str) -> str:
    """The cache's key of an image's disk. ``image`` is the image's id, ``sha256:…``."""
    text = f"{_FORMAT}\0{image}\0{qemu.GROUND_SIZE}"
    return f"disk-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def there(image: str) -> bool:
    """Whether the disk is made."""
    return golden.cache().get(key(image)) is not None


def find_or_make(docker: Docker, image: str, interpreter: str, say: Callable[[str], None]) -> Path:
    """A qcow2 disk with the files of an image below ``/root``; runs have overlays of it.

    Args:
        docker: The engine that has the image.
        image: The image's id.
        interpreter: Path of the testground's Python in the image.
        say: Takes a line for the user.

    Raises:
        EngineError: The engine or a tool fails.
        CacheError: The disk is full.
    """

    def make(target: Path) -> None:
        say(f"noxlib: making a disk of the testground {image[:19]}")
        with temporary.folder(target.parent, "tree-") as folder:
            _unpack(_files(docker, image, interpreter), folder)
            golden.to_disk(folder / "disk", target / "ground.qcow2", qemu.GROUND_SIZE, before=as_root(os.geteuid()))

    return golden.cache().make(key(image), make) / "ground.qcow2"


def as_root(uid: int) -> tuple[str, ...]:
    """What a user who is not root puts before a tool: in a user namespace root's files are his. Pure."""
    return () if uid == 0 else ("unshare", "--map-root-user", "--")


def _unpack(chunks: Iterator[bytes], folder: Path) -> None:
    root = folder / "disk" / ROOT
    root.mkdir(parents=True)
    with (folder / "files.tar").open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
    golden.tool((*as_root(os.geteuid()), "tar", "--numeric-owner", "-C", str(root), "-xpf", str(folder / "files.tar")))


def _files(docker: Docker, image: str, interpreter: str) -> Iterator[bytes]:
    """The tar of a container's files after its Python has compiled itself."""
    body = {
        "Image": image,
        "Entrypoint": [interpreter, "-S", "-c", _COMPILE],
        "Cmd": [],
        "User": "0:0",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {"NetworkMode": "none", "Init": True},
    }
    with noted.container(docker, Ledger(), "disk", body) as container:
        docker.start(container)
        docker.wait(container, COMPILE_SECONDS)  # if it compiled only a part, the rest is slower and nothing else
        yield from rootfs.files(docker, container, image)
