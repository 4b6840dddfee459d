"""What tests wrote goes back into the checkout: only there, never through a link, never into .git."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.places.carry import carry, files_below, matches, remove


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout" / "tests").mkdir(parents=True)
    return tmp_path / "checkout"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def write(path: Path, text: str = "new") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("relative", "pattern", "expected"),
    [
        ("a/b/c.ambr", "**/*.ambr", True),
        ("c.ambr", "**/*.ambr", True),
        ("a/c.ambr", "*.ambr", False),
        (".pytest_cache/v/cache/lastfailed", ".pytest_cache/**", True),
        ("tests/golden/x/y", "tests/golden", True),
        ("tests/golden/x/y", "tests/golden/", True),
        ("tests/goldener", "tests/golden", False),
        ("tests/a/golden/x", "tests/*/golden/*", True),
        ("x", "", False),
        ("x", "./x", True),
        ("x", "../x", False),
        ("ä/ö.txt", "ä/*.txt", True),
    ],
)
def test_globs_name_files_and_folders(relative: str, pattern: str, expected: bool) -> None:
    assert matches(relative, (pattern,)) is expected


def test_a_file_is_copied_whole_with_its_mode(source: Path, checkout: Path) -> None:
    made = write(source / "f")
    made.chmod(0o755)
    assert carry([("tests/deep/f", made)], checkout) == ("tests/deep/f",)
    assert (checkout / "tests/deep/f").read_text() == "new"
    assert (checkout / "tests/deep/f").stat().st_mode & 0o777 == 0o755
    assert [name for name, _ in files_below(checkout)] == ["tests/deep/f"]  # no temporary file stays


def test_an_equal_file_keeps_its_time(source: Path, checkout: Path) -> None:
    os.utime(write(checkout / "f"), ns=(1, 1))
    assert carry([("f", write(source / "f"))], checkout) == ()
    assert (checkout / "f").stat().st_mtime_ns == 1


@pytest.mark.parametrize(
    "relative", [".git/hooks/post-checkout", "sub/.git/config", ".GIT/config", "../out", "a/../../out", "/etc/x", ""]
)
def test_some_paths_are_never_written(source: Path, checkout: Path, relative: str) -> None:
    before = sorted(checkout.parent.rglob("*"))
    made = write(source / "f")
    assert carry([(relative, made)], checkout) == ()
    assert sorted(path for path in checkout.parent.rglob("*") if path != made) == before


def test_nothing_is_written_through_a_linked_folder(source: Path, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (checkout / "out").symlink_to(tmp_path / "outside")
    assert carry([("out/f", write(source / "f"))], checkout) == ()
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_link_in_the_way_is_replaced_and_not_followed(source: Path, checkout: Path, tmp_path: Path) -> None:
    victim = write(tmp_path / "victim", "old")
    (checkout / "f").symlink_to(victim)
    assert carry([("f", write(source / "f"))], checkout) == ("f",)
    assert victim.read_text() == "old"
    assert not (checkout / "f").is_symlink()


@pytest.mark.parametrize("target", ["/etc/passwd", "../victim", "out/victim", "../../victim"])
def test_a_link_that_leads_outside_is_not_carried(source: Path, checkout: Path, tmp_path: Path, target: str) -> None:
    write(tmp_path / "victim")
    (checkout / "out").symlink_to(tmp_path)
    (source / "link").symlink_to(target)
    assert carry([("link", source / "link")], checkout) == ()
    assert not os.path.lexists(checkout / "link")


def test_a_link_inside_is_carried_as_a_link(source: Path, checkout: Path) -> None:
    (source / "link").symlink_to("../f")
    assert carry([("tests/link", source / "link")], checkout) == ("tests/link",)
    assert (checkout / "tests" / "link").readlink() == Path("../f")
    assert carry([("tests/link", source / "link")], checkout) == ()


def test_what_is_no_file_is_left_out(source: Path, checkout: Path) -> None:
    os.mkfifo(source / "pipe")
    assert carry([("pipe", source / "pipe")], checkout) == ()


def test_a_folder_in_the_way_stays(source: Path, checkout: Path) -> None:
    assert carry([("tests", write(source / "f"))], checkout) == ()
    assert (checkout / "tests").is_dir()


def test_removals_follow_the_same_rules(checkout: Path, tmp_path: Path) -> None:
    write(checkout / "tests" / "gone")
    write(checkout / ".git" / "config")
    write(tmp_path / "outside" / "f")
    (checkout / "out").symlink_to(tmp_path / "outside")
    assert remove(["tests/gone", ".git/config", "out/f", "tests", "absent", "../outside/f"], checkout) == (
        "tests/gone",
    )
    assert (tmp_path / "outside" / "f").exists()


def test_a_checkout_that_cannot_be_written_is_told_once(
    source: Path, checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("noxlib.places.carry.temporary.folder", refuse)
    monkeypatch.setattr("noxlib.places.carry.os.access", lambda *_: False)
    assert carry([("a", write(source / "a")), ("b", write(source / "b"))], checkout) == ()
    assert capsys.readouterr().out == "noxlib: a is not carried back to the checkout: Read-only file system\n"


@given(st.lists(st.sampled_from(["a", "b", "*", "**", "?"]), min_size=1, max_size=5))
def test_a_glob_of_its_own_path_always_matches(parts: list[str]) -> None:
    pattern = "/".join(parts)
    relative = "/".join("a" if part in ("*", "?") else "x/y" if part == "**" else part for part in parts)
    assert matches(relative, (pattern,))
