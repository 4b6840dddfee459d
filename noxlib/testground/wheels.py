"""The wheels of a bundle: what the virtual environments of a machine without a network are made of.

Each lock of this machine has its own, as files; a wheel that several Pythons share is in the archive once.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib import atomic, temporary
from noxlib.engines import uv
from noxlib.engines.archive import damaged
from noxlib.engines.archiveformat import FILES
from noxlib.testground import pylock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from noxlib.engines.archive import Archive
    from noxlib.engines.archiveformat import Member
    from noxlib.testground.locked import Lock

FOLDER = f"{FILES}wheels/"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")


def fetch(locked: Lock, interpreter: Path, target: Path) -> dict[str, tuple[str, ...]]:
    """Fetch the wheels of a lock into a folder, by their hashes; the names of those of each of its files.

    Raises:
        BuildError: One cannot be had, or not be built.
    """
    from noxlib.engines.pip import Pip  # noqa: PLC0415 - only where a bundle is made

    target.mkdir()
    with temporary.folder() as aside:
        pip = Pip(interpreter, aside)
        found = {}
        for number, name in enumerate(dict.fromkeys((*locked.files, *locked.build_files))):
            own = aside / str(number)
            own.mkdir()
            for words in _words(locked.folder / name, own):
                pip.wheel(words, locked.folder, own / "wheels")
            found[name] = tuple(sorted(path.name for path in (own / "wheels").glob("*.whl")))
            for each in found[name]:
                (own / "wheels" / each).replace(target / each)
    return found


def _words(file: Path, aside: Path) -> Iterator[tuple[str, ...]]:
    """What pip is told of a file of a lock. What comes of a repository has no hash, so it goes by itself."""
    if file.suffix != ".toml":
        yield "--require-hashes", "-r", str(file)
        return
    entries = pylock.packages(file.read_text("utf-8"), file.name)
    page = aside / "links.html"
    page.write_text("".join(f'<a href="{html.escape(url)}">{html.escape(name)}</a>\n' for name, url in _links(entries)))
    for kind, chosen in (("hashed", False), ("repositories", True)):
        lines = [requirement(entry) for entry in entries if ("vcs" in entry) is chosen]
        if lines:
            listed = aside / f"{kind}.txt"
            listed.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            yield f"--find-links={page}", "-r", str(listed)


def requirement(entry: Mapping[str, Any]) -> str:
    """A line of a requirements file for an entry of a pylock.toml: this version, and nothing but these files."""
    marker = f" ; {entry['marker']}" if entry.get("marker") else ""
    if "vcs" in entry:
        source = entry["vcs"]
        inside = f"#subdirectory={source['subdirectory']}" if source.get("subdirectory") else ""
        return f"{entry['name']} @ {source['type']}+{source['url']}@{source['commit-id']}{inside}{marker}"
    exact = f" @ {entry['archive']['url']}" if "archive" in entry else f"=={entry['version']}"
    hashes = "".join(f" --hash=sha256:{value}" for value in sorted({*_hashes(entry)}))
    return f"{entry['name']}{exact}{marker}{hashes}"


def _files(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from entry.get("wheels") or ()
    yield from (entry[kind] for kind in ("sdist", "archive") if kind in entry)


def _hashes(entry: Mapping[str, Any]) -> Iterator[str]:
    return (file["hashes"]["sha256"] for file in _files(entry) if "sha256" in file.get("hashes", {}))


def _links(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """The files where the lock says that they are: an index may be one that pip is not told of."""
    for entry in entries:
        for file in _files(entry):
            if url := file.get("url"):
                yield str(file.get("name") or url.rpartition("/")[2]), url


def members(folders: Mapping[str, Path]) -> dict[str, Path]:
    """Files for an archive by their names there, of folders of wheels by Python: ``noxlib/wheels/3.10+3.11/NAME``."""
    pythons: dict[tuple[str, str], list[str]] = defaultdict(list)
    paths = {}
    for python, folder in folders.items():
        for path in sorted(folder.iterdir()):
            key = (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
            pythons[key].append(python)
            paths[key] = path
    return {f"{FOLDER}{'+'.join(pythons[key])}/{key[0]}": path for key, path in paths.items()}


def is_of(member: str, python: str) -> bool:
    """Whether a member of an archive is a wheel of that Python."""
    return member.startswith(FOLDER) and python in member.split("/")[2].split("+")


def install(
    opened: Archive, found: Iterable[Member], python: str, wanted: Mapping[str, tuple[str, ...]], folder: Path
) -> int:
    """Put the wheels of a lock into its folder, with what tells uv of them; how many there are.

    Args:
        opened: The archive.
        found: Its members.
        python: Whose wheels.
        wanted: Those of each file of the lock, by name.
        folder: The lock's.

    Raises:
        CacheError: One is missing or damaged.
    """
    by_name = {member.name.rpartition("/")[2]: member for member in found if is_of(member.name, python)}
    names = sorted({name for each in wanted.values() for name in each})
    for name in names:
        if name not in by_name or not _NAME.fullmatch(name):
            raise damaged(opened.name, f"the wheel {name} of Python {python} is missing")
    there = folder / "wheels"
    with temporary.folder(folder.parent, ".making-") as aside:
        made = aside / "new"
        made.mkdir()
        for name in names:
            opened.extract(by_name[name], made / name)
        atomic.remove_tree(there)
        made.rename(there)
    for file, each in wanted.items():
        lines = (f"{(there / name).as_uri()} --hash=sha256:{by_name[name].sha256}\n" for name in each)
        atomic.write(folder / f"{file}{uv.WHEELS}", "".join(lines).encode())
    return len(names)
