"""Processes and paths that a test made outside its workspace: noted before they are there, gone when it ends.

After a kill -9 the next session's start removes what the dead one had noted.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE = 2.0  # seconds for a process to end by itself


class Registered:
    """What one process of a session has noted, in a file that bears its name; used by one thread at once.

    Args:
        folder: That of all sessions by default.
        name: Of one of several that a process has at once.
    """

    def __init__(self, folder: Path | None = None, name: str = "tests") -> None:
        self.folder = folder or shared_folder()
        self.file = self.folder / f"{os.getpid()}-{began(os.getpid())}.{name}.jsonl"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.paths: list[Path] = []

    def process(self, process: subprocess.Popen[bytes]) -> None:
        """A process that leads its own group; all of the group is ended."""
        self._note({"pid": process.pid, "began": began(process.pid)})
        self.processes.append(process)

    def path(self, path: Path) -> None:
        """A file, a link or a folder, there already or not yet."""
        self._note({"path": str(path.absolute())})
        self.paths.append(path.absolute())

    def clean(self) -> None:
        """End and remove all of it, the newest first. Raises OSError, after the rest is gone, for what cannot be."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.file.unlink, missing_ok=True)
            for path in self.paths:
                stack.callback(remove, path)
            for process in self.processes:
                stack.callback(end, process)
            self.processes, self.paths = [], []

    def _note(self, what: dict[str, object]) -> None:
        with self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(what) + "\n")


def shared_folder() -> Path:
    """The folder of all sessions of this user on this machine.

    Raises:
        PermissionError: somebody else made a folder, or a link, of that name.
    """
    folder = Path(tempfile.gettempdir(), f"noxlib-registered-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder


def sweep(folder: Path | None = None) -> int:
    """Remove what sessions noted that were killed; how many things there were."""
    count = 0
    for file in (folder or shared_folder()).glob("*.jsonl"):
        pid, _, start = file.name.partition(".")[0].partition("-")
        if pid.isdigit() and not alive(int(pid), start):
            for what in _read(file):
                with contextlib.suppress(OSError, ValueError, KeyError):  # the next ones are removed all the same
                    count += _undo(what)
            file.unlink(missing_ok=True)
    return count


def end(process: subprocess.Popen[bytes]) -> None:
    """TERM to the process' group, KILL to what is left of it after two seconds."""
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def remove(path: Path) -> None:
    """Remove a file, a link or a folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def began(pid: int) -> str:
    """When a process began, as the kernel counts; "" for one that is not there. With its id it is its name for ever."""
    return _stat(pid)[1]


def alive(pid: int, start: str) -> bool:
    """Whether a process has not ended: one that was killed is there until somebody waits for it."""
    state, found = _stat(pid)
    return found == start and state not in ("Z", "X")


def _stat(pid: int) -> tuple[str, str]:
    """State and start, fields 3 and 22 of proc(5); nothing for a process that is not there."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return "", ""
    return fields[0], fields[19]


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _read(file: Path) -> Iterator[dict[str, object]]:
    with contextlib.suppress(FileNotFoundError):  # another session sweeps too
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):  # one that was cut off had not been made yet
                found = json.loads(line)
                if isinstance(found, dict):
                    yield found


def _undo(what: dict[str, object]) -> int:
    if "path" in what:
        path = Path(str(what["path"]))
        there = path.exists() or path.is_symlink()
        remove(path)
        return int(there)
    pid = int(str(what["pid"]))
    if not what["began"] or began(pid) != what["began"]:
        return 0
    _signal(pid, signal.SIGKILL)
    return 1
