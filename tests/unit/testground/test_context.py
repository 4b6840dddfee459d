"""The files of a build context that count for the fingerprint, by path, mode and content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.engines.dockerignore import matcher
from noxlib.testground import context

if TYPE_CHECKING:
    from pathlib import Path


def names(root: Path, *sources: str, ignore: str = "") -> list[str]:
    return [path for path, _, _ in context.copied(root, sources, matcher(ignore))]


def tree(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_the_whole_tree_is_all_but_caches(tmp_path: Path) -> None:
    root = tree(tmp_path, "a.py", "sub/b.py", "sub/__pycache__/b.pyc", ".noxlib/runs/x", ".pytest_cache/x", ".hidden")
    assert names(root, ".") == [".hidden", "a.py", "sub/b.py"]


def test_of_git_only_what_names_the_commit_counts(tmp_path: Path) -> None:
    root = tree(tmp_path, ".git/HEAD", ".git/index", ".git/logs/HEAD", ".git/refs/heads/main", ".git/objects/ab/c")
    assert names(root, ".") == [".git/HEAD", ".git/refs/heads/main"]


def test_a_pattern_a_file_and_a_folder(tmp_path: Path) -> None:
    root = tree(tmp_path, "a.txt", "b.txt", "sub/c.py", "sub/deep/d.py", "other/e.py")
    assert names(root, "*.txt", "sub") == ["a.txt", "b.txt", "sub/c.py", "sub/deep/d.py"]


def test_dockerignore_with_an_exception(tmp_path: Path) -> None:
    root = tree(tmp_path, "a.md", "keep.md", "docs/x.md", "docs/y.py")
    assert names(root, ".", ignore="# notes\n**/*.md\n!keep.md\n") == ["docs/y.py", "keep.md"]


def test_nothing_outside_the_context_is_read(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", "a")
    tree(tmp_path, "secret")
    assert names(root, "../secret", "../*", str(tmp_path / "secret")) == []


def test_content_and_mode_count(tmp_path: Path) -> None:
    root = tree(tmp_path, "a")
    first = context.copied(root, ["a"], matcher(""))
    (root / "a").chmod(0o755)
    second = context.copied(root, ["a"], matcher(""))
    (root / "a").write_text("other")
    assert len({first, second, context.copied(root, ["a"], matcher(""))}) == 3


def test_a_link_counts_by_its_target_and_is_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path, "a")
    (root / "loop").symlink_to(".")
    (root / "gone").symlink_to("nowhere")
    assert context.copied(root, ["."], matcher(""))[1:] == (("gone", "link", "nowhere"), ("loop", "link", "."))
