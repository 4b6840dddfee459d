"""A tape library as a model on a clock of its own: drives, cartridges, and what winding and mounting cost. Pure.

The times are rounded ones of LTO: a robot that fetches and a drive that loads take half a minute; a head that leaves
its place takes about 20 seconds to find another, and the farther the longer.
"""

from __future__ import annotations

import dataclasses
import errno
import threading
from collections.abc import Iterable
from typing import Optional

ONLINE, RECALLING, NEARLINE, OFFLINE = "online", "recalling", "nearline", "offline"


class Clock:
    """Seconds that nobody waits for: they go by when something is done that takes some."""

    def __init__(self) -> None:
        self.now = 0.0

    def advance(self, seconds: float) -> None:
        """Let time go by. Raises ValueError for less than none."""
        if seconds < 0:
            raise ValueError(f"a clock goes forward, found {seconds!r}")
        self.now += seconds


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds, and bytes a second."""

    mount: float = 30.0
    unmount: float = 20.0  #: after the tape is wound back
    settle: float = 20.0  #: whenever the head has to leave its place
    wind: float = 2.0  #: from one file to the next without reading
    file: float = 0.5  #: for each file that is read or written
    rate: float = 300e6


@dataclasses.dataclass
class Cartridge:
    """A tape. Files stand on it one after the other; what was written once stays where it is."""

    name: str
    written: int = 0  #: files
    here: bool = True  #: in the library, and not on a shelf


@dataclasses.dataclass
class Drive:
    """A drive, the tape in it, the place of its head, and when it has done what it was asked for."""

    cartridge: Optional[Cartridge] = None
    head: int = 0
    free_at: float = 0.0


@dataclasses.dataclass
class Copy:
    """A file's copy on tape; on disk there is one too from ``on_disk`` on, where that is not None."""

    cartridge: Cartridge
    place: int
    size: int
    on_disk: Optional[float] = None


class Library:
    """Drives, cartridges and the files on them, by name. A file that it does not know is on disk only.

    Args:
        drives: How many tapes can be mounted at once.
        times: What things take.
    """

    def __init__(self, drives: int = 1, times: Optional[Times] = None) -> None:
        self.clock = Clock()
        self.times = times or Times()
        self.drives = [Drive() for _ in range(drives)]
        self.cartridges = [Cartridge("T0001")]
        self.mounts = 0
        self.copies: dict[str, Copy] = {}
        self._lock = threading.RLock()

    def add_cartridge(self) -> str:
        """An empty tape, which takes what is archived from now on; its name."""
        self.cartridges.append(Cartridge(f"T{len(self.cartridges) + 1:04d}"))
        return self.cartridges[-1].name

    def state(self, file: str) -> str:
        """``online``, ``recalling``, ``nearline`` or ``offline``."""
        copy = self.copies.get(file)
        if copy is None or (copy.on_disk is not None and copy.on_disk <= self.clock.now):
            return ONLINE
        if copy.on_disk is not None:
            return RECALLING
        return NEARLINE if copy.cartridge.here else OFFLINE

    def archive(self, file: str, size: int) -> None:
        """Write a file to tape, where it is not there yet, and drop it from disk; the clock goes on meanwhile."""
        with self._lock:
            self.wait(file)
            if file not in self.copies:
                cartridge = self.cartridges[-1]
                copy = Copy(cartridge, cartridge.written, size)
                self.clock.advance(self._carry_out(copy) - self.clock.now)
                cartridge.written += 1
                self.copies[file] = copy
            self.copies[file].on_disk = None

    def recall(self, file: str) -> float:
        """Ask for a file; the time at which it is on disk. It is read when a drive has done what came before.

        Raises:
            OSError: its tape is not in the library (ENOMEDIUM).
        """
        with self._lock:
            copy = self.copies.get(file)
            if copy is None:
                return self.clock.now
            if copy.on_disk is None:
                if not copy.cartridge.here:
                    raise OSError(errno.ENOMEDIUM, f"{copy.cartridge.name} is not in the tape library", file)
                copy.on_disk = self._carry_out(copy)
            return copy.on_disk

    def wait(self, file: str) -> None:
        """Recall a file, and let the clock go on until it is on disk. Raises OSError as ``recall`` does."""
        with self._lock:
            self.clock.advance(max(0.0, self.recall(file) - self.clock.now))

    def forget(self, file: str) -> None:
        """A file is gone or was written anew: what the tape holds is not it any more."""
        with self._lock:
            for name in self._below(file):
                del self.copies[name]

    def rename(self, file: str, target: str) -> None:
        """A file, or a folder with all below it, has another name."""
        with self._lock:
            self.forget(target)
            for name in self._below(file):
                self.copies[target + name[len(file) :]] = self.copies.pop(name)

    def order(self, files: Iterable[str]) -> list[str]:
        """Files as they stand on the tapes; before them those that are on no tape."""
        places = {file: self._place(file) for file in files}
        return sorted(places, key=places.__getitem__)

    def _place(self, file: str) -> tuple[str, int]:
        copy = self.copies.get(file)
        return (copy.cartridge.name, copy.place) if copy else ("", 0)

    def _below(self, file: str) -> list[str]:
        return [name for name in self.copies if name == file or name.startswith(f"{file}/")]

    def _carry_out(self, copy: Copy) -> float:
        """Have a drive read or write at a copy's place, after all that it was asked for before; when it is done."""
        drive = self._drive(copy.cartridge)
        done = max(self.clock.now, drive.free_at)
        if drive.cartridge is not copy.cartridge:
            done += self._change(drive, copy.cartridge)
        if drive.head != copy.place:
            done += self.times.settle + abs(drive.head - copy.place) * self.times.wind
        drive.head = copy.place + 1
        drive.free_at = done + self.times.file + copy.size / self.times.rate
        return drive.free_at

    def _drive(self, cartridge: Cartridge) -> Drive:
        """The drive in which a tape is, else an empty one, else the one that is free first."""
        loaded = (drive for drive in self.drives if drive.cartridge is cartridge)
        return next(loaded, None) or min(self.drives, key=lambda drive: (drive.cartridge is not None, drive.free_at))

    def _change(self, drive: Drive, cartridge: Cartridge) -> float:
        """Seconds until another tape is in a drive."""
        seconds = self.times.mount
        if drive.cartridge is not None:
            seconds += drive.head * self.times.wind + self.times.unmount
        drive.cartridge, drive.head = cartridge, 0
        self.mounts += 1
        return seconds
