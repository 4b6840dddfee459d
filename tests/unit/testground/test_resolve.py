"""What uv resolves, as it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.engines import uv
from noxlib.errors import LockError
from noxlib.testground import pylock, resolve
from noxlib.testground.resolve import Target

FILE = '{{ url = "file:///a", upload-time = 2026-01-02T03:04:05Z{told}, hashes = {{ sha256 = "{digest}" }} }}'
LOCK = """lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "a"
version = "1"
sdist = {one}
wheels = [{one}, {one}]
"""


def locked(told: str) -> str:
    return LOCK.format(one=FILE.format(told=told, digest="0" * 64))


def test_an_index_that_tells_sizes_at_times_gives_one_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for told in (", size = 2219609", ""):
        monkeypatch.setattr(uv, "compile_lock", lambda _, told=told: locked(told))
        found.append(resolve.compiled(uv.Request(tmp_path, "3.10", "python"), Target("3.10", "linux/amd64")))
    assert found == [locked("")] * 2
    (package,) = pylock.packages(found[0], "the resolution")
    assert package["wheels"][0]["hashes"] == {"sha256": "0" * 64}


def test_what_is_resolved_as_of_now_has_none_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_lock(request: Any) -> str:
        if request.exclude_newer:
            raise LockError("nothing satisfies it", "widen it")
        return locked(", size = 7")

    monkeypatch.setattr(uv, "compile_lock", compile_lock)
    target = Target("3.10", "linux/amd64", "2024-01-01", derived=True)
    request = uv.Request(tmp_path, "3.10", "python", exclude_newer=target.exclude_newer)
    assert resolve.compiled(request, target) == locked("")
