"""The fixture ``isolated_workspace``: for one test, folders of its own for all that a program keeps on a machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .registered import Registered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The folders, and the variables that name each: of the XDG base directories, of tempfile.
FOLDERS = {
    "cache": ("XDG_CACHE_HOME",),
    "config": ("XDG_CONFIG_HOME",),
    "data": ("XDG_DATA_HOME",),
    "state": ("XDG_STATE_HOME",),
    "temp": ("TMPDIR",),
}


class Workspace:
    """A test's own folders. ``path`` is the current one, and holds all others.

    Args:
        path: An empty folder.
        registered: Where what is made outside is noted.
    """

    def __init__(self, path: Path, registered: Registered) -> None:
        self.path = path
        self.cache, self.config, self.data, self.state, self.temp = (path / name for name in FOLDERS)
        self._registered = registered

    def start(self, argv: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process, as ``subprocess.Popen`` does; it and its children are ended with the test."""
        process = subprocess.Popen(argv, **{**options, "start_new_session": True})
        self._registered.process(process)
        return process

    def register(self, path: str | os.PathLike[str]) -> Path:
        """A path outside of the workspace, there or not yet, that goes with the test."""
        self._registered.path(Path(path))
        return Path(path)


@contextlib.contextmanager
def isolated(path: Path, own: Mapping[str, Sequence[str]]) -> Iterator[Workspace]:
    """A workspace in an empty folder; afterwards environment and current folder are as before.

    Args:
        path: The folder.
        own: Folder -> the project's own variables for it.
    """
    environment, folder, temporary = dict(os.environ), Path.cwd(), tempfile.tempdir
    registered = Registered()
    with contextlib.ExitStack() as after:
        after.callback(registered.clean)
        after.callback(setattr, tempfile, "tempdir", temporary)
        after.callback(restore, environment)
        after.callback(os.chdir, folder)  # which may be gone: then the rest is done all the same
        for name, variables in FOLDERS.items():
            (path / name).mkdir()
            os.environ.update(dict.fromkeys((*variables, *own.get(name, ())), str(path / name)))
        tempfile.tempdir = None  # it is asked for once, and remembered
        os.chdir(path)
        yield Workspace(path, registered)


def restore(environment: Mapping[str, str]) -> None:
    """Give the environment its variables back."""
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
