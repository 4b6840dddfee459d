"""Files that the user names: written whole, or one line why not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from noxlib import atomic
from noxlib.errors import UsageError


def write(path: Path, data: bytes) -> None:
    """Write a file, its folders made where they are not there. Raises UsageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data, mode=0o644)
    except OSError as error:
        raise _refused(path, error) from error


def append(path: Path, text: str) -> None:
    """Append to a file that others append to as well. Raises UsageError."""
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise _refused(path, error) from error


def tell_workflow(lines: str, environ: Mapping[str, str]) -> None:
    """Outputs of a step of GitHub Actions, ``name=value`` a line; nothing elsewhere. Raises UsageError."""
    if environ.get("GITHUB_OUTPUT"):
        append(Path(environ["GITHUB_OUTPUT"]), lines)


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"{path} cannot be written: {error.strerror}", "name a file in a folder that is yours")
