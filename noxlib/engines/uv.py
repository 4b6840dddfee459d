"""uv resolves and installs. Indexes, certificates and credentials are told by the environment, never by argv."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import offline, process
from noxlib.engines.index import index_environment, mask
from noxlib.errors import BuildError, LockError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NO_DOWNLOADS = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
_UNREACHABLE = re.compile(
    r"error sending request|client error|dns error|Failed to fetch|timed out|tcp connect|Connection refused",
    re.IGNORECASE,
)
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
WRITES = "NOXLIB_WRITES"  #: a variable of what writes to an environment: its folder
WHEELS = ".wheels"  #: beside a file of a lock that came in a bundle: where the wheels are that it names
_FORBIDDEN = re.compile(r"\b(401|403)\b|Unauthorized|Forbidden", re.IGNORECASE)


class Request(msgspec.Struct, frozen=True):
    """What ``uv pip compile`` resolves."""

    cwd: Path  #: the project: its ``[tool.uv]`` counts
    python: str  #: as uv names it
    interpreter: str  #: path of the Python that builds what has to be built
    sources: tuple[str, ...] = ()  #: pyproject.toml, setup.py, requirements files
    requirements: tuple[str, ...] = ()  #: requirement strings beside them
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()  #: files
    without: tuple[str, ...] = ()  #: packages left out of the result
    platform: Optional[str] = None  #: as uv names it; None: this machine's
    exclude_newer: Optional[str] = None


def binary() -> str:
    """Path of the uv that noxlib depends on."""
    import uv  # noqa: PLC0415 - not on the warm path

    return str(uv.find_uv_bin())


def version() -> str:
    """The version of that uv, without starting it."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - 10 ms

    return installed("uv")


def compile_lock(request: Request) -> str:
    """Resolve to the text of a pylock.toml with hashes, without any credential.

    Raises:
        LockError: The index cannot be reached, or nothing satisfies the requirements (in uv's own words).
    """
    offline.forbid(
        f"the lock of {request.cwd.name} for Python {request.python}", "a resolution against the package index"
    )
    argv = [binary(), "pip", "compile", "--quiet", "--format", "pylock.toml", "--no-header", *_arguments(request)]
    done = process.run(argv, cwd=request.cwd, env=_environment(), input="\n".join((*request.requirements, "")))
    if done.returncode != 0:
        raise explained(done.stderr)
    return mask(done.stdout)


def _arguments(request: Request) -> list[str]:
    """Without an interpreter of that implementation at hand the result holds for all: the installer chooses."""
    number = re.sub(r"^pypy|t$", "", request.python)
    universal = number != request.python
    options = {
        "--python": (request.interpreter,),
        "--python-version": (number,),
        "--python-platform": (request.platform,) if request.platform and not universal else (),
        "--extra": request.extras,
        "--group": request.groups,
        "--constraints": request.constraints,
        "--no-emit-package": request.without,
        "--exclude-newer": (request.exclude_newer,) if request.exclude_newer else (),
    }
    flat = [f"{name}={value}" for name, values in options.items() for value in values]
    return [*flat, *(["--universal"] if universal else []), "--", *request.sources, "-"]


def export(root: Path, extras: Sequence[str], groups: Sequence[str], interpreter: str) -> str:
    """What uv.lock says of these extras and groups, as a pylock.toml; the lock is checked, never renewed.

    Raises:
        LockError: uv.lock is out of date; or it lacks an extra or a group.
    """
    uv = [binary(), "--quiet"]
    check = process.run([*uv, "lock", "--check", f"--python={interpreter}"], cwd=root, env=_environment())
    if check.returncode != 0 and "needs to be updated" in check.stderr:
        raise LockError("uv.lock is out of date: pyproject.toml asks for something else", "run: uv lock")
    chosen = [*(f"--extra={extra}" for extra in extras), *(f"--group={group}" for group in groups)]
    fixed = ["--frozen", "--format=pylock.toml", "--no-emit-project", "--no-header", "--no-default-groups"]
    done = process.run([*uv, "export", *fixed, *chosen, f"--python={interpreter}"], cwd=root, env=_environment())
    if done.returncode != 0:
        raise explained(done.stderr)
    return mask(done.stdout)


def create_environment(folder: Path, interpreter: str) -> None:
    """An empty virtual environment of that interpreter (a path). Raises BuildError."""
    argv = [binary(), "venv", "--quiet", "--clear", "--no-project", f"--python={interpreter}", str(folder)]
    _install_step(argv, folder, None)


def install(environment: Path, folder: Path, files: Sequence[str]) -> None:
    """Install locked files (names below ``folder``) one after the other, with their hashes, and nothing besides.

    Without a network the wheels that came in a bundle are taken.

    Raises:
        BuildError: In uv's own words.
    """
    for name in files:
        flags = ("--quiet", "--no-deps", "--no-config", "--compile-bytecode")
        python = f"--python={environment / 'bin' / 'python'}"
        brought = folder / f"{name}{WHEELS}"
        file = brought if offline.wanted() and brought.is_file() else folder / name
        _install_step([binary(), "pip", "install", *flags, python, "-r", str(file)], environment, folder)


def install_requirements(
    environment: Path, requirements: Sequence[str], cwd: Path, *, exclude_newer: Optional[str] = None
) -> None:
    """Install requirement strings, resolved as of ``exclude_newer`` or now, for a throw-away environment.

    Raises:
        BuildError: In uv's own words.
    """
    argv = [binary(), "pip", "install", "--quiet", f"--python={environment / 'bin' / 'python'}", "-r", "-"]
    argv += [f"--exclude-newer={exclude_newer}"] if exclude_newer else []
    _install_step(argv, environment, cwd, "\n".join((*requirements, "")))


def _install_step(argv: list[str], environment: Path, cwd: Optional[Path], text: Optional[str] = None) -> None:
    done = process.run(argv, cwd=cwd, env={**_environment(), WRITES: str(environment)}, input=text)
    if done.returncode != 0:
        failure = explained(done.stderr)
        if offline.wanted():
            raise offline.missing(f"a package ({failure.what.splitlines()[0]})", "the package index")
        raise BuildError(failure.what, failure.todo, cause=failure.cause)


def _environment() -> Mapping[str, str]:
    import os  # noqa: PLC0415 - read at the time of the call

    return {**os.environ, **index_environment(os.environ), **_NO_DOWNLOADS, **offline.environment()}


def explained(stderr: str) -> LockError:
    """The explanation of uv itself, and what to do about it."""
    lines = [
        line for line in mask(stderr).splitlines() if line.strip() and not line.startswith(("warning:", "  warning:"))
    ]
    said = "\n  ".join(line.strip() for line in lines[:12]) or "uv failed and said nothing"
    if _DISK_FULL.search(said):
        what = "the disk is full: " + lines[-1].strip().removeprefix("cause: ")
        return LockError(
            what, "free space there, or set NOXLIB_CACHE_DIR, or UV_CACHE_DIR, to a folder elsewhere", cause="disk-full"
        )
    if _FORBIDDEN.search(said):
        return LockError(said, "give uv the index's credentials: UV_INDEX_<NAME>_USERNAME and _PASSWORD, or ~/.netrc")
    if _UNREACHABLE.search(said):
        todo = "check the network, UV_DEFAULT_INDEX or PIP_INDEX_URL, and for a private CA SSL_CERT_FILE"
        return LockError(f"the package index cannot be reached: {_in_one_line(lines)}", todo, cause="unreachable")
    return LockError(
        said, "change the requirement that uv names (or exclude_newer in [tool.noxlib]) and run this again"
    )


def _in_one_line(lines: list[str]) -> str:
    """Of uv's chain of causes the address that was asked for and the last one, which is the network's own word."""
    causes = [line.strip().removeprefix("cause: ").removeprefix("error: ") for line in lines]
    asked = next((cause for cause in causes if "://" in cause), causes[0])
    return asked if asked == causes[-1] else f"{asked}: {causes[-1]}"
