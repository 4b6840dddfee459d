"""What the jobs of single platforms have published: a file each in ``.noxlib/platforms``, as artifacts carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from noxlib import atomic
from noxlib.engines.registry import DIGEST
from noxlib.errors import PlaceError, UsageError
from noxlib.testground import platforms, results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxlib.testground.results import Result

FOLDER = "platforms"
_LIMIT = 1 << 20  # bytes of a file


def write(root: Path, result: Result) -> Path:
    """Write one platform's result; its path. Those of all Pythons and platforms fit into one folder.

    Raises:
        RecordError: ``.noxlib`` leads elsewhere, or cannot be made.
    """
    folder = results.own_folder(root) / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"py{result.python}-{str(result.platform).replace('/', '-')}.json"
    atomic.write(path, atomic.to_json(result, indent=1), mode=0o644)
    return path


def read(root: Path, words: Sequence[str], python: str) -> Iterator[tuple[str, Optional[Result]]]:
    """The digests that words name, files, folders of files, digests; with what a file tells of one of that Python.

    Args:
        root: The checkout; without words its own ``.noxlib/platforms`` counts.
        words: Paths are relative to it. Anybody's job may have written what lies there.
        python: Of other Pythons nothing is given.

    Raises:
        UsageError: A word is nothing of the kind, or a file is damaged.
        PlaceError: Nothing is recorded.
    """
    for word in words:
        path = root / word
        if DIGEST.fullmatch(word):
            yield word, None
        elif path.is_dir() or path.is_file():
            yield from _read(path, python)
        else:
            raise UsageError(
                f"{word[:100]!r} is no digest, and no file that testground_publish has written",
                "give sha256:… of each platform, or the files .noxlib/platforms/*.json of their jobs",
            )
    if not words:
        own = root / ".noxlib" / FOLDER
        if not own.is_dir():
            raise PlaceError(
                "no platform's job has recorded what it published: there is no .noxlib/platforms here",
                f"nox -s testground_publish-{python} -- --platform {platforms.PLATFORMS[-1]}; in CI hand the files on",
                cause="absent",
            )
        yield from _read(own, python)


def _files(path: Path) -> list[Path]:
    try:
        return sorted(path.rglob("*.json")) if path.is_dir() else [path]
    except OSError as error:
        raise UsageError(
            f"{str(path)[:100]!r} cannot be searched: {error.strerror}", "name the folder of the files alone"
        ) from error


def _read(path: Path, python: str) -> Iterator[tuple[str, Result]]:
    for file in _files(path):
        found = _file(file)
        if found.python == python:
            yield found.digest, found


def _file(path: Path) -> Result:
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError("it is too large")  # noqa: TRY301 - a damage like the others
        found = atomic.from_json(path.read_bytes(), results.Result)
        if not DIGEST.fullmatch(found.digest) or found.platform not in platforms.PLATFORMS:
            raise ValueError("its digest or platform is none")  # noqa: TRY301
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{path.name!r} is no record of a platform: {why}", "take the files .noxlib/platforms/*.json as they are"
        ) from error
    return found
