"""What was published and pulled, for machines: ``.noxlib/published.json``, ``.noxlib/pulled.json``, GITHUB_OUTPUT."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PUBLISHED, PULLED = "published.json", "pulled.json"
_TODO = "see that the checkout is writable, and that its disk has space"


class Result(msgspec.Struct, frozen=True):
    """One testground in a registry. Files hold the last one of each Python."""

    python: str
    image: str  #: name without tag
    digest: str  #: of the manifest: ``<image>@<digest>`` is this testground and no other, for ever
    tags: tuple[str, ...]
    id: Optional[str] = None  #: of the image's configuration, as an engine names the image
    fingerprint: Optional[str] = None
    commit: Optional[str] = None
    asked: Optional[str] = None  #: what was pulled, in the user's words
    uploaded: bool = False
    platform: Optional[str] = None  #: of one platform's part, which has no tag of its own yet
    platforms: dict[str, str] = {}  #: of an index: platform -> digest of its part
    time: str = ""  #: ISO 8601 in UTC

    @property
    def reference(self) -> str:
        """``image@sha256:…``."""
        return f"{self.image}@{self.digest}"


class _File(msgspec.Struct, frozen=True):
    testgrounds: dict[str, Result] = {}  #: by Python
    version: int = 1


def write(root: Path, name: str, result: Result) -> None:
    """Put one result into a file of the checkout's ``.noxlib``, beside those of other Pythons. Raises RecordError."""
    from filelock import FileLock  # noqa: PLC0415 - not on the warm path

    folder = own_folder(root)
    try:
        with FileLock(folder / f"{name}.lock"):
            known = dict(read(root, name))
            known[result.python] = result
            atomic.write(folder / name, atomic.to_json(_File(known), indent=1), mode=0o644)
    except OSError as error:
        raise RecordError(f"{folder / name} cannot be written: {error.strerror}", _TODO) from error


def read(root: Path, name: str) -> Mapping[str, Result]:
    """The results of a file by Python; none where it is absent or no file of ours."""
    try:
        return atomic.from_json((root / ".noxlib" / name).read_bytes(), _File).testgrounds
    except (OSError, ValueError):
        return {}


def own_folder(root: Path) -> Path:
    """``.noxlib`` of a checkout, made and kept out of git. Raises RecordError where it leads elsewhere."""
    folder = root / ".noxlib"
    if folder.is_symlink():
        raise RecordError(f"{folder} is a link, and what is written there would land elsewhere", "remove it")
    try:
        folder.mkdir(exist_ok=True)
        if not os.path.lexists(folder / ".gitignore"):
            atomic.write(folder / ".gitignore", b"*\n", mode=0o644)
    except OSError as error:
        raise RecordError(f"{folder} cannot be made: {error.strerror}", _TODO) from error
    return folder


def outputs(result: Result) -> str:
    """Outputs of a step of GitHub Actions, a line each: ``py310-image=name@sha256:…`` and ``py310-digest``.

    Those of one platform are ``py310-linux-arm64-image`` and ``py310-linux-arm64-digest``.
    """
    own = f"-{result.platform.replace('/', '-')}" if result.platform else ""
    key = f"py{result.python.replace('.', '')}{own}"
    return f"{key}-image={result.reference}\n{key}-digest={result.digest}\n"
