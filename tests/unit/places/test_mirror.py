"""The copy of a working tree follows it, whatever tests did to the copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.places.mirror import snapshot, sync


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    write(root / "src" / "pkg" / "__init__.py")
    write(root / "tests" / "test_ä b.py")
    write(root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("src/pkg")
    (root / "dangling").symlink_to("nowhere")
    (root / "empty").mkdir()
    return root


def test_a_copy_equals_the_tree_with_modes_times_and_links(checkout: Path, tmp_path: Path) -> None:
    assert sync(checkout, tmp_path / "copy") == snapshot(checkout) == snapshot(tmp_path / "copy", everything=True)
    assert (tmp_path / "copy" / "link").readlink() == Path("src/pkg")


def test_caches_and_virtual_environments_stay_behind(checkout: Path, tmp_path: Path) -> None:
    for name in (".nox", ".tox", ".noxlib", ".mypy_cache", ".ruff_cache", "node_modules", "src/pkg/__pycache__"):
        write(checkout / name / "deep" / "f")
    write(checkout / "venv" / "pyvenv.cfg")
    write(checkout / "venv" / "lib" / "f")
    write(checkout / ".pytest_cache" / "f")
    names = set(sync(checkout, tmp_path / "copy"))
    assert ".pytest_cache/f" in names
    assert not any(
        name.startswith((".nox", ".tox", ".mypy", ".ruff", "node", "venv", "src/pkg/__py")) for name in names
    )


def test_what_tests_did_to_the_copy_is_undone(checkout: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    sync(checkout, copy)
    write(copy / "src" / "pkg" / "__init__.py", "changed by a test")
    write(copy / "new" / "deep" / "f")
    (copy / "run.sh").unlink()
    (copy / "link").unlink()
    write(copy / "link", "was a link")
    (copy / "empty").rmdir()
    write(copy / "empty", "was a folder")
    os.mkfifo(copy / "pipe")
    (copy / "locked").mkdir()
    write(copy / "locked" / "f")
    (copy / "locked").chmod(0o555)
    sync(checkout, copy)
    assert snapshot(copy, everything=True) == snapshot(checkout)


def test_an_edit_of_the_checkout_reaches_the_copy(checkout: Path, tmp_path: Path) -> None:
    os.utime(checkout / "run.sh", ns=(1, 1))  # the clock of some file systems ticks every few milliseconds only
    sync(checkout, tmp_path / "copy")
    write(checkout / "run.sh", "TEXT")  # the same size
    (checkout / "dangling").unlink()
    (checkout / "dangling").symlink_to("elsewhere")
    sync(checkout, tmp_path / "copy")
    assert (tmp_path / "copy" / "run.sh").read_text() == "TEXT"
    assert (tmp_path / "copy" / "dangling").readlink() == Path("elsewhere")


def test_a_file_is_never_written_through_what_a_test_put_in_its_place(checkout: Path, tmp_path: Path) -> None:
    victim = write(tmp_path / "victim", "precious")
    copy = tmp_path / "copy"
    sync(checkout, copy)
    (copy / "run.sh").unlink()
    (copy / "run.sh").symlink_to(victim)
    (copy / "tests" / "test_ä b.py").unlink()
    os.link(victim, copy / "tests" / "test_ä b.py")
    sync(checkout, copy)
    assert victim.read_text() == "precious"
    assert snapshot(copy, everything=True) == snapshot(checkout)


def test_prepared_files_are_added_and_never_hide_the_checkouts_own(checkout: Path, tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    write(prepared / "src" / "pkg" / "_version.py", "1.0")
    write(prepared / "src" / "pkg" / "__init__.py", "stale")
    write(prepared / "build" / "cp310" / "x.o")
    names = sync(checkout, tmp_path / "copy", prepared)
    assert (tmp_path / "copy" / "src/pkg/_version.py").read_text() == "1.0"
    assert (tmp_path / "copy" / "src/pkg/__init__.py").read_text() == "text"
    assert "build/cp310/x.o" in names
    sync(checkout, tmp_path / "copy")
    assert not (tmp_path / "copy" / "build").exists()


def test_the_checkout_is_only_read(checkout: Path, tmp_path: Path) -> None:
    before = snapshot(checkout, everything=True)
    sync(checkout, tmp_path / "copy")
    assert snapshot(checkout, everything=True) == before


trees = st.dictionaries(
    st.lists(st.sampled_from(["a", "b", "ö", "c d"]), min_size=1, max_size=3).map("/".join),
    st.one_of(st.text("xy", max_size=3), st.sampled_from([("link", "a"), ("link", "../b")])),
    max_size=8,
)


def make(root: Path, tree: dict[str, object]) -> None:
    root.mkdir(exist_ok=True)
    for name, content in tree.items():
        path = root / name
        parents = [root / part for part in list(Path(name).parents)[:-1]]
        if os.path.lexists(path) or any(os.path.lexists(p) and (p.is_symlink() or not p.is_dir()) for p in parents):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, tuple):
            path.symlink_to(content[1])
        else:
            path.write_text(str(content))


@settings(max_examples=60)
@given(before=trees, after=trees)
def test_any_tree_becomes_any_other(
    tmp_path_factory: pytest.TempPathFactory, before: dict[str, object], after: dict[str, object]
) -> None:
    root = tmp_path_factory.mktemp("any")
    make(root / "copy", before)
    make(root / "checkout", after)
    sync(root / "checkout", root / "copy")
    assert snapshot(root / "copy", everything=True) == snapshot(root / "checkout", everything=True)
