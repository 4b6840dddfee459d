"""Locks as files: found, damaged, written beside pyproject.toml, their digest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noxlib import atomic
from noxlib.errors import LockError
from noxlib.testground import cutoff, lock, locked, lockinputs
from noxlib.testground.locked import Contents, Lock
from tests.unit.testground.by_hand import make_project


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))


def stored(tmp_path: Path, text: str = "x") -> Path:
    """A lock as if it had been made before."""
    project = make_project(tmp_path)
    read = lock.checkout_reader(project.root)
    key = lockinputs.lock_key(project, "3.10", "linux/amd64", cutoff.cutoff(project, read), read)
    folder = tmp_path / "state" / "locks" / key
    folder.mkdir(parents=True)
    (folder / "pylock.toml").write_text(text)
    atomic.write(folder / "lock.json", atomic.to_json(Contents(("pylock.toml",), (), "resolved", "0")))
    return folder


def test_a_lock_that_is_there_is_found(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    found = lock.find_or_make(make_project(tmp_path), "3.10", "linux/amd64")
    assert (found.folder, found.files, found.key) == (folder, ("pylock.toml",), folder.name)


def test_finding_imports_neither_uv_nor_a_renderer(tmp_path: Path) -> None:
    stored(tmp_path)
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from by_hand import make_project\n"
        "from noxlib.testground import lock, image, recipe\n"
        "p = make_project(Path(sys.argv[2])); made = lock.find_or_make(p, '3.10', 'linux/amd64')\n"
        "recipe.of(p, '3.10', made)\n"
        "heavy = {'uv', 'jinja2', 'rich', 'python_on_whales', 'docker', 'filelock', 'nox'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    argv = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path)]
    subprocess.run(argv, check=True)


@pytest.mark.parametrize("damage", ["not json", "[]", '{"files": 3}', ""])
def test_damaged_contents_are_no_lock(tmp_path: Path, damage: str) -> None:
    folder = stored(tmp_path)
    (folder / "lock.json").write_text(damage)
    assert lock._read("key", folder) is None


def test_a_lock_that_lost_a_file_is_no_lock(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    (folder / "pylock.toml").unlink()
    assert lock._read("key", folder) is None


def test_the_lock_is_written_beside_pyproject_toml(tmp_path: Path) -> None:
    stored(tmp_path, "the lock")
    project = make_project(tmp_path)
    made = lock.find_or_make(project, "3.10", "linux/amd64")
    written = lock.write_to_checkout(made, project, "3.10")
    assert written == project.root / "pylock.py310.toml"
    assert written.read_text() == "the lock"
    assert written.stat().st_mode & 0o777 == 0o644


def test_a_foreign_lock_is_not_written_over(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    made = Lock("k", tmp_path, ("pylock.toml",), (), "uv.lock", "0")
    with pytest.raises(LockError, match=r"uv\.lock"):
        lock.write_to_checkout(made, project, "3.10")


def test_the_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    assert len({locked.digest(tmp_path, names) for names in (("a",), ("b",), ("c",), ("a", "b"), ())}) == 5


def test_looking_for_a_lock_makes_none(tmp_path: Path) -> None:
    assert lock.find(make_project(tmp_path), "3.10", "linux/amd64") is None
    folder = stored(tmp_path)
    found = lock.find(make_project(tmp_path), "3.10", "linux/amd64")
    assert found
    assert found.folder == folder
