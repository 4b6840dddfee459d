"""The fingerprint names a testground's content: the unchanged is found, the changed never taken for it. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = 1


def fingerprint(
    *,
    dockerfile: str,
    files: Sequence[tuple[str, str, str]],
    lock_digest: str,
    base_ids: Mapping[str, str],
    python: str,
    platform: str,
    target: str,
) -> str:
    """SHA-256, 64 hex digits.

    Args:
        dockerfile: Its text.
        files: Path, mode and SHA-256 of each file that it copies.
        lock_digest: Digest of the lock; empty where the image does not hold it.
        base_ids: Reference of each image that it builds on -> the id of that image.
        python: As uv names it.
        platform: ``linux/amd64``.
        target: The stage that is built.
    """
    parts = [VERSION, dockerfile, list(files), lock_digest, sorted(base_ids.items()), python, platform, target]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


def recipe(*, dockerfile: str, files: Sequence[tuple[str, str, str]], python: str, target: str) -> str:
    """What is the same on every platform: SHA-256, 64 hex digits, of the arguments of ``fingerprint`` of that name.

    The lock and the base images are not: each platform has wheels and digests of its own. Nor is ``.git``, which every
    clone has in its own way.
    """
    copied = [file for file in files if not file[0].startswith(".git/")]
    parts = [VERSION, dockerfile, copied, python, target]
    return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()
