"""Requirements files: which are there, and what their names say of them. Other files are never taken by guessing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

Kind = Literal["main", "test", "dev", "other"]

_TEST = re.compile(r"test(s|ing)?\d*")
_DEV = frozenset({"dev", "develop", "development"})
_DOCS = frozenset({"doc", "docs", "documentation", "rtd"})
_STYLE = frozenset({"lint", "linting", "linters", "style", "format", "mypy", "typing", "types"})
_OTHER = frozenset({"bench", "benchmark", "benchmarks", "build", "release", "deploy", "publish"})
_OLD = frozenset({"min", "minimal", "minimum", "oldest", "lowest"})
_NEVER = _DOCS | _STYLE | _OTHER | _OLD


class RequirementFiles(NamedTuple):
    """Relative paths, POSIX style, by what their names say."""

    main: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()


def find_requirement_files(root: Path) -> RequirementFiles:
    """``requirements*.txt`` and its like at the top, in ``requirements/`` and in ``tests/``."""
    found: dict[str, list[str]] = {"main": [], "test": [], "dev": [], "other": []}
    for path, kind in (*_top(root), *_folder(root / "requirements"), *_tests(root)):
        if path.is_file() and root.resolve() in path.resolve().parents:
            found[kind].append(path.relative_to(root).as_posix())
    return RequirementFiles(_general(found["main"]), _general(found["test"]), _general(found["dev"]))


def _general(files: list[str]) -> tuple[str, ...]:
    """Without those for one Python (``tests37.txt``), whose pins contradict, where there is one for all."""
    general = tuple(file for file in files if not Path(file).stem[-1:].isdigit())
    return general or tuple(files)


def _top(root: Path) -> Iterator[tuple[Path, Kind]]:
    """``requirements.txt``, ``requirements-test.txt``, ``dev-requirements.txt``."""
    for path in sorted(root.glob("*.txt")):
        words = _words(path)
        if "requirements" in words:
            words.remove("requirements")
            yield path, kind(words) if words else "main"


def _folder(folder: Path) -> Iterator[tuple[Path, Kind]]:
    """``requirements/tests.txt``; of a compiled pair the ``.txt``, which is what the project itself installs."""
    compiled = sorted(folder.glob("*.txt"))
    names = {path.stem for path in compiled}
    for path in (*compiled, *(path for path in sorted(folder.glob("*.in")) if path.stem not in names)):
        yield path, kind(_words(path))


def _tests(root: Path) -> Iterator[tuple[Path, Kind]]:
    """``tests/requirements*.txt``: the folder's name says test already."""
    for folder in ("tests", "test"):
        for path in sorted((root / folder).glob("requirements*.txt")):
            words = _words(path) - {"requirements"}
            yield path, kind(words | {"test"})


def _words(path: Path) -> set[str]:
    return set(re.split(r"[-_.]+", path.stem.lower()))


def kind(words: set[str]) -> Kind:
    """What the words of a file's name say; what is for docs or lint is never for tests.

    >>> kind({"test"}), kind({"dev"}), kind({"test", "docs"}), kind({"gpu"})
    ('test', 'dev', 'other', 'other')
    """
    if words & _NEVER:
        return "other"
    if any(_TEST.fullmatch(word) for word in words):
        return "test"
    return "dev" if words & _DEV else "other"


def is_hashed(text: str) -> bool:
    """Whether a requirements file locks: it has requirements, and each carries a hash.

    A file that includes another (``-r``) is taken for not locked.
    """
    lines = re.sub(r"\\\r?\n", " ", text).splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    if any(re.match(r"(-r|--requirement)\b", line) for line in lines):
        return False
    wanted = [line for line in lines if line and (not line.startswith("-") or line.startswith(("-e", "--editable")))]
    return bool(wanted) and all("--hash=" in line for line in wanted)
