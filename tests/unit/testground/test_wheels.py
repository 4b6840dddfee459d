"""The wheels of a bundle: what pip is told, what is in an archive once, and what is put beside a lock."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from noxlib.engines import uv
from noxlib.errors import CacheError
from noxlib.testground import archiving, bundle, lock, wheels

from .test_archiving import KEY, holding, packed

A, B = "a" * 64, "b" * 64


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "st ate"))


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            {
                "version": "1.0",
                "marker": "python_version < '3.11'",
                "sdist": {"url": "u", "hashes": {"sha256": B}},
                "wheels": [{"url": "v", "hashes": {"sha256": A}}],
            },
            f"demo==1.0 ; python_version < '3.11' --hash=sha256:{A} --hash=sha256:{B}",
        ),
        (
            {"archive": {"url": "https://h/x.zip", "hashes": {"sha256": A}}},
            f"demo @ https://h/x.zip --hash=sha256:{A}",
        ),
        (
            {"vcs": {"type": "git", "url": "https://h/x.git", "commit-id": "c0ffee", "subdirectory": "py"}},
            "demo @ git+https://h/x.git@c0ffee#subdirectory=py",
        ),
    ],
    ids=["index", "archive", "repository"],
)
def test_pip_is_told_the_very_files_of_a_lock(entry: dict[str, object], line: str) -> None:
    assert wheels.requirement({"name": "demo", **entry}) == line


def test_a_wheel_of_two_pythons_is_in_an_archive_once_and_one_that_differs_twice(tmp_path: Path) -> None:
    folders = {python: tmp_path / python for python in ("3.10", "3.11")}
    for python, folder in folders.items():
        folder.mkdir()
        (folder / "same-1-py3-none-any.whl").write_bytes(b"same")
        (folder / "own-1-py3-none-any.whl").write_bytes(python.encode())
    made = wheels.members(folders)
    assert sorted(made) == [
        "noxlib/wheels/3.10+3.11/same-1-py3-none-any.whl",
        "noxlib/wheels/3.10/own-1-py3-none-any.whl",
        "noxlib/wheels/3.11/own-1-py3-none-any.whl",
    ]
    opened = holding({name: path.read_bytes() for name, path in made.items()})
    _, members = archiving.chosen(opened, "3.10")
    assert [member.name for member in members] == sorted(made)[:2]


def bundled(names: tuple[str, ...], **files: bytes) -> dict[str, bytes]:
    content = {**json.loads(packed("pylock.toml", "x")), "wheels": {"pylock.toml": names}}
    there = {f"noxlib/wheels/3.10+3.11/{name}": data for name, data in files.items()}
    return {f"noxlib/locks/3.10/{KEY}.json": json.dumps(content).encode(), **there}


def test_what_uv_installs_without_a_network_is_what_came_and_no_more() -> None:
    name = "demo-1-py3-none-any.whl"
    opened = holding(bundled((name,), **{name: b"wheel", "other-1-py3-none-any.whl": b""}))
    (told,) = bundle.install(opened, opened.contents.members)
    assert told == "the lock of Python 3.10 for virtual environments, with 1 wheels"
    found = lock.by_key(KEY)
    assert found is not None
    (there,) = (found.folder / "wheels").iterdir()
    assert there.read_bytes() == b"wheel"
    listed = (found.folder / f"pylock.toml{uv.WHEELS}").read_text()
    assert listed == f"{there.as_uri()} --hash=sha256:{sha256(b'wheel').hexdigest()}\n"
    (again,) = bundle.install(opened, opened.contents.members)
    assert "(was here)" in again
    assert there.read_bytes() == b"wheel"


@pytest.mark.parametrize("name", ["absent-1-py3-none-any.whl", "..", "a b.whl", "x.txt", "-r.whl"])
def test_a_wheel_that_is_missing_or_none_is_refused(name: str) -> None:
    opened = holding(bundled((name,), **{"x.txt": b"", "-r.whl": b""}))
    with pytest.raises(CacheError, match=r"is damaged.* is missing"):
        bundle.install(opened, opened.contents.members)


def test_another_lock_of_the_same_key_gives_way_to_that_of_the_wheels() -> None:
    first = holding({f"noxlib/locks/3.10/{KEY}.json": packed("pylock.toml", "older")})
    bundle.install(first, first.contents.members)
    second = holding(bundled(()))
    bundle.install(second, second.contents.members)
    found = lock.by_key(KEY)
    assert found is not None
    assert (found.folder / "pylock.toml").read_text() == "x"
