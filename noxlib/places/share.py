"""The folder that a machine under vmtest shares with this one: what goes in, and what comes out of hostile hands.

The guest's root may do with the share what it likes, so each command gets a share of its own: nothing is written into
it once its guest has run but one new file, and only plain files are read from it, through no link.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib.engines import vmtest
from noxlib.places import tars
from noxlib.places.host import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

START = Path(__file__).with_name("share_start.sh")
ENTER = Path(__file__).with_name("enter.sh")
_LARGEST = 64 * 1024**2  # bytes of what is read at once: names of files, and words


class Share:
    """One share, for one command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, run: Path, words: tuple[str, ...]) -> str:
        """Fill it; ``run`` becomes the share's own. The command for vmtest. Raises OSError."""
        self.folder.mkdir(mode=0o700)
        run.rename(self.folder / "run")
        (self.folder / "start").write_bytes(START.read_bytes())
        (self.folder / "enter").write_bytes(ENTER.read_bytes())
        (self.folder / "output").touch()
        return shlex.join(("exec", "sh", f"{vmtest.SHARE}/start", *words))

    def take_back(self, run: Path) -> None:
        """Move the run's folder out again; one that the guest put something else for is not."""
        if _is(self.folder / "run", stat.S_ISDIR):
            (self.folder / "run").rename(run)
        else:
            run.mkdir()

    def has(self, name: str) -> bool:
        return os.path.lexists(self.folder / name)

    def text(self, name: str) -> str:
        """What the guest wrote; empty where there is no plain file of that name."""
        with contextlib.suppress(OSError), open_plain(self.folder / name) as stream:
            return stream.read(_LARGEST).decode("utf-8", "surrogateescape")
        return ""

    def stop(self, seconds: float) -> None:
        """Have the supervisor in the guest end its command gently. Once; a second time is nothing."""
        if self.has("stop"):
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with contextlib.suppress(FileExistsError):
            handle = os.open(self.folder / ".stop", flags, 0o600)
            os.write(handle, f"stop {seconds:g}\n".encode())
            os.close(handle)
            (self.folder / ".stop").rename(self.folder / "stop")

    def machine(self) -> Machine:
        """What the guest said of itself."""
        kernel, system = [*self.text("machine").splitlines(), "", ""][:2]
        return Machine(name="vmtest", kernel=kernel, system=system)

    def names(self) -> set[str]:
        """All that lies in the workspace, relative to it."""
        found = self.text("names").split("\0")
        return {name.partition("/")[2] for name in found if name}

    def changed(self) -> Iterator[bytes]:
        """The tar of the files of the workspace that are not as they were."""
        with contextlib.suppress(OSError), open_plain(self.folder / "changed.tar") as stream:
            yield from iter(lambda: stream.read(tars.CHUNK), b"")


def open_plain(path: Path) -> contextlib.closing[_Plain]:
    """A plain file for reading. Raises OSError: it is none, or a link."""
    return contextlib.closing(_Plain(path))


class _Plain:
    def __init__(self, path: Path) -> None:
        # A pipe that nobody writes would be waited for.
        self._handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(self._handle).st_mode):
            self.close()
            raise OSError(f"{path} is no plain file")

    def read(self, size: int) -> bytes:
        return os.read(self._handle, size)

    def close(self) -> None:
        os.close(self._handle)


def take(source: Path, target: Path) -> None:
    """Copy the plain files and folders below ``source``, or it itself, to ``target``; nothing by a link or a device."""
    if not _is(source, stat.S_ISDIR) and not _is(source, stat.S_ISREG):
        return
    with tars.pack(tars.folder("it", source), 0, 0) as tar:
        tars.unpack(iter(lambda: tar.read(tars.CHUNK), b""), target)


def _is(path: Path, kind: object) -> bool:
    try:
        mode: Optional[int] = path.lstat().st_mode
    except OSError:
        return False
    return bool(kind(mode))  # type: ignore[operator]
