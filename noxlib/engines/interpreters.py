"""Interpreters of this machine, where people keep them: PATH, pyenv, asdf, mise, rye, uv."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import process
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60.0  #: for an interpreter to tell its version, however busy the machine is

#: ``_base_executable`` is what made a virtual environment; a shim tells the interpreter that it stands for.
PROBE = """
import json, platform, sys, sysconfig
print(json.dumps({
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "implementation": platform.python_implementation().lower(),
    "version": "%d.%d" % sys.version_info[:2],
    "threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


class Wanted(msgspec.Struct, frozen=True):
    """An interpreter as uv names it, taken apart."""

    implementation: str  #: ``cpython`` or ``pypy``
    version: str  #: ``3.14``
    threaded: bool  #: free-threading, ``3.14t``

    @property
    def program(self) -> str:
        return ("pypy" if self.implementation == "pypy" else "python") + self.version + ("t" if self.threaded else "")


class Found(msgspec.Struct, frozen=True):
    """What an interpreter tells of itself."""

    executable: str
    implementation: str
    version: str
    threaded: bool = False


class Remembered(msgspec.Struct, frozen=True):
    """An interpreter that was found, the time of its file, and where was looked."""

    executable: str
    mtime_ns: int
    searched: str


def parse(python: str) -> Wanted:
    """``3.10``, ``3.14t`` or ``pypy3.11``. Raises PlaceError for anything else."""
    match = re.fullmatch(r"(pypy)?(\d+\.\d+)(t)?", python)
    if match is None:
        raise PlaceError(f"{python!r} is no Python", "name it as uv does: 3.12, 3.14t, pypy3.11")
    return Wanted(match[1] or "cpython", match[2], bool(match[3]))


def find(python: str, state: Path) -> Path:
    """The interpreter of a session's name; remembered, so that a second call starts none.

    Args:
        python: As uv names it: ``3.10``, ``3.14t``, ``pypy3.11``.
        state: The state folder.

    Raises:
        PlaceError: There is none; the second line says how to get one.
    """
    wanted = parse(python)
    memory = state / "interpreters" / f"{python}.json"
    searched = "\n".join(os.environ.get(name, "") for name in ("PATH", "PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR"))
    known = _recall(memory, searched)
    if known is not None:
        return known
    found = _search(wanted) or _by_uv(python, wanted)
    if found is None:
        raise PlaceError(
            f"Python {python} is not on this machine (looked on PATH, in pyenv, asdf, mise, rye and uv)",
            f"install it: uv python install {python}",
            cause="interpreter",
        )
    with contextlib.suppress(OSError):  # where nothing can be written it is looked for again
        memo = Remembered(str(found), found.stat().st_mtime_ns, searched)
        Ledger(state).remember(memory, msgspec.json.encode(memo))
    return found


def _recall(memory: Path, searched: str) -> Optional[Path]:
    try:
        known = msgspec.json.decode(memory.read_bytes(), type=Remembered)
        unchanged = Path(known.executable).stat().st_mtime_ns == known.mtime_ns
    except (OSError, msgspec.DecodeError):  # never found, removed since, or written by another version
        return None
    return Path(known.executable) if unchanged and known.searched == searched else None


def _search(wanted: Wanted) -> Optional[Path]:
    """The first that fits: those of the exact name before those named python."""
    candidates = list(_candidates())
    exact = [path for path in candidates if path.name == wanted.program]
    others = [path for path in candidates if path.name in ("python", "python3", "pypy", "pypy3")]
    seen: set[str] = set()
    for path in (*exact, *others):
        real = os.path.realpath(path)
        if real not in seen:
            seen.add(real)
            found = probe(path)
            if found is not None and _fits(found, wanted):
                return Path(found.executable)
    return None


def _fits(found: Found, wanted: Wanted) -> bool:
    return (found.implementation, found.version, found.threaded) == (
        wanted.implementation,
        wanted.version,
        wanted.threaded,
    )


def probe(path: Path) -> Optional[Found]:
    """Ask an interpreter what it is; None if it does not answer (pyenv's shim without a version answers 127)."""
    try:
        done = process.run((str(path), "-I", "-c", PROBE), timeout=SECONDS)
        return msgspec.json.decode(done.stdout, type=Found) if done.returncode == 0 else None
    except (EngineError, msgspec.DecodeError):
        return None


def _candidates() -> Iterator[Path]:
    """What PATH has first, then what the tools keep, the newest first. Nothing is started."""
    from findpython.providers import ALL_PROVIDERS  # noqa: PLC0415 - only where nothing is remembered

    for kind in ALL_PROVIDERS.values():
        provider = kind.create()
        paths = [version.executable for version in provider.find_pythons()] if provider is not None else []
        yield from paths if kind.name() == "path" else sorted(paths, key=_newest, reverse=True)
    yield from sorted(_of_mise(), key=_newest, reverse=True)


def _of_mise() -> Iterator[Path]:
    """Interpreters of mise, which findpython does not know (https://mise.jdx.dev/directories.html)."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mise"
    root = Path(os.environ.get("MISE_DATA_DIR") or data) / "installs" / "python"
    yield from root.glob("*/bin/py*")


def _newest(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _by_uv(python: str, wanted: Wanted) -> Optional[Path]:
    """What uv finds where we did not look."""
    from noxlib.engines import uv  # noqa: PLC0415 - not on the warm path

    argv = (uv.binary(), "python", "find", "--no-python-downloads", "--no-project", "--system", python)
    done = process.run(argv, cwd=Path("/"), timeout=SECONDS)
    if done.returncode != 0:
        return None
    found = probe(Path(done.stdout.strip()))
    return Path(found.executable) if found is not None and _fits(found, wanted) else None
