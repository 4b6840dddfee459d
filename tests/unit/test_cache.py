"""The cache builds once, publishes whole entries only, notices damage, and keeps to its budget."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib import atomic, manifest
from noxlib import cache as cache_module
from noxlib.cache import Cache
from noxlib.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUILD_SLOWLY = """
import pathlib, sys
from noxlib.cache import Cache
def builder(folder):
    with open(sys.argv[2], "a") as built:
        built.write("x")
    (folder / "half").write_text("half")
    print("building", flush=True)
    sys.stdin.readline()
    (folder / "whole").write_text("whole")
print(Cache(pathlib.Path(sys.argv[1])).make("key", builder).name, flush=True)
"""
STRESS = """
import pathlib, random, sys
from noxlib.cache import Cache
cache = Cache(pathlib.Path(sys.argv[1]), budget_bytes=5000)
chance = random.Random(int(sys.argv[2]))
for number in range(60):
    key = f"key-{chance.randrange(8)}"
    def builder(folder):
        (folder / "sub").mkdir()
        (folder / "sub" / "a").write_text(key * 100)
        (folder / "b").symlink_to("sub/a")
    files = cache.make(key, builder)
    assert (files / "b").read_text() == key * 100, key
    assert sorted(path.name for path in files.iterdir()) == ["b", "sub"]
    if number == 10:
        print("in the middle", flush=True)
    if chance.random() < 0.7:
        cache.release(key)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def writing(text: str) -> Callable[[Path], None]:
    def builder(folder: Path) -> None:
        (folder / "file").write_text(text)

    return builder


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def never(folder: Path) -> None:
    raise AssertionError("it is in the cache")


def test_an_entry_is_built_once_and_found_again(cache: Cache) -> None:
    assert cache.get("key") is None
    made = cache.make("key", writing("text"))
    assert (made / "file").read_text() == "text"
    assert cache.make("key", never) == made == Cache(cache.folder).get("key", verify=True)


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "../a", "A", "a b", "-a", "a\n", "a~b", "ä", "a" * 200])
def test_a_key_that_could_name_another_file_is_refused(cache: Cache, key: str) -> None:
    with pytest.raises(CacheError):
        cache.make(key, writing("x"))
    assert not cache.folder.exists()


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), FileNotFoundError(2, "no", "compiler")])
def test_a_failed_builder_leaves_nothing_and_its_error_passes(cache: Cache, error: BaseException) -> None:
    def builder(folder: Path) -> None:
        (folder / "half").touch()
        raise error

    with pytest.raises(type(error)) as caught:
        cache.make("key", builder)
    assert caught.value is error
    assert cache.get("key") is None
    assert list((cache.folder / "building").iterdir()) == []
    assert cache.make("key", writing("x")).is_dir()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_in_two_lines(cache: Cache, number: int) -> None:
    def builder(folder: Path) -> None:
        raise OSError(number, os.strerror(number), str(folder))

    with pytest.raises(CacheError, match="is full") as caught:
        cache.make("key", builder)
    assert len(str(caught.value).splitlines()) == 2


def test_a_cache_that_cannot_be_written_is_said_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="cannot be used") as caught:
        Cache(tmp_path / "file").make("key", writing("x"))
    assert len(str(caught.value).splitlines()) == 2


def test_one_process_builds_while_the_others_wait_and_say_so(cache: Cache, tmp_path: Path) -> None:
    built = tmp_path / "built"
    processes = [start(BUILD_SLOWLY, cache.folder, built) for _ in range(3)]
    said = [process.stdout.readline() for process in processes if process.stdout]
    assert sorted("waiting for another noxlib" in line for line in said) == [False, True, True]
    builder = said.index("building\n")
    processes[builder].communicate("go on\n")
    others = [process for number, process in enumerate(processes) if number != builder]
    assert [process.communicate()[0] for process in others] == ["files\n"] * 2
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert built.read_text() == "x"


def test_what_a_process_left_that_was_killed_while_it_evicted_goes_with_the_next_build(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, signal, sys\n"
        "from noxlib import atomic\n"
        "from noxlib.cache import Cache\n"
        "atomic.remove_tree = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Cache(pathlib.Path(sys.argv[1]), budget_bytes=1).sweep()\n"
    )
    cache = Cache(tmp_path / "cache")
    cache.make("old", writing("x" * 100))
    cache.release("old")
    assert subprocess.run([sys.executable, "-c", program, cache.folder], check=False).returncode == -signal.SIGKILL
    assert [path.name.partition("~")[0] for path in (cache.folder / "building").iterdir()] == ["old"]
    cache.make("other", writing("text"))
    assert list((cache.folder / "building").iterdir()) == []


def test_a_killed_builder_leaves_nothing_that_counts(cache: Cache, tmp_path: Path) -> None:
    process = start(BUILD_SLOWLY, cache.folder, tmp_path / "built")
    assert process.stdout
    assert process.stdout.readline() == "building\n"
    assert cache.sweep() == ()  # it builds still
    assert cache.get("key") is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(list((cache.folder / "building").iterdir())) == 1
    assert cache.sweep() == ("key",)
    assert list((cache.folder / "building").iterdir()) == []
    assert cache.make("key", writing("x")).is_dir()


def test_the_next_builder_clears_what_a_killed_one_left(cache: Cache) -> None:
    left = cache.folder / "building" / "key~dead" / "files"
    left.mkdir(parents=True)
    left.chmod(0o500)
    cache.make("key", writing("x"))
    assert list((cache.folder / "building").iterdir()) == []


@pytest.mark.parametrize("damage", ["remove", "truncate", "grow", "folder", "manifest", "manifest-removed"])
def test_a_damaged_entry_is_dropped_and_built_again(
    cache: Cache, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = cache.make("key", writing("text")) / "file"
    manifest_file = file.parent.parent / "manifest.json"
    if damage in {"remove", "folder"}:
        file.unlink()
    if damage == "folder":
        file.mkdir()
    if damage in {"truncate", "grow"}:
        file.write_text("" if damage == "truncate" else "texts")
    if damage == "manifest":
        manifest_file.write_text('{"files": 3}')
    if damage == "manifest-removed":
        manifest_file.unlink()
    assert cache.get("key") is None
    assert "damaged" in capsys.readouterr().out
    assert (cache.make("key", writing("text")) / "file").read_text() == "text"


def test_a_changed_byte_is_found_by_the_checksum(cache: Cache) -> None:
    file = cache.make("key", writing("text")) / "file"
    file.write_text("tEXT")
    assert cache.get("key") is not None  # the cheap look sees sizes only
    assert cache.get("key", verify=True) is None
    assert cache.get("key") is None


def test_a_link_that_points_elsewhere_is_damage(cache: Cache) -> None:
    link = cache.make("key", lambda folder: (folder / "link").symlink_to("target")) / "link"
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert cache.get("key") is None


@settings(max_examples=25)
@given(
    files=st.dictionaries(
        st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & {0, 47} and name not in {b".", b".."}),
        st.binary(),
        max_size=4,
    )
)
def test_any_file_name_and_content_comes_back(cache: Cache, files: dict[bytes, bytes]) -> None:
    def builder(folder: Path) -> None:
        for name, content in files.items():
            (folder / os.fsdecode(name)).write_bytes(content)

    made = cache.make("key", builder)
    assert cache.get("key", verify=True) == made
    assert {os.fsencode(path.name): path.read_bytes() for path in made.iterdir()} == files
    cache._take_away("key")


def test_over_its_budget_the_least_recently_used_entry_goes(tmp_path: Path) -> None:
    cache = Cache(tmp_path, budget_bytes=25)
    for key in ("a", "b"):
        cache.make(key, writing("0123456789"))
        cache.release(key)
    os.utime(cache._use_lock("b"), (1, 1))
    cache.make("c", writing("0123456789"))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]
    assert not cache._use_lock("b").exists()


def test_an_entry_in_use_is_never_evicted(tmp_path: Path) -> None:
    cache = Cache(tmp_path, budget_bytes=1)
    kept = cache.make("a", writing("0123456789"))
    Cache(tmp_path, budget_bytes=1).make("b", writing("0123456789"))
    assert kept.is_dir()
    cache.release("a")
    assert cache.sweep() == ("a",)
    assert not kept.exists()


def test_an_entry_in_use_by_another_process_is_never_evicted(tmp_path: Path) -> None:
    process = start(
        "import pathlib, sys\nfrom noxlib.cache import Cache\n"
        "Cache(pathlib.Path(sys.argv[1])).make('a', lambda folder: (folder / 'f').write_text('x' * 9) and None)\n"
        "print('made', flush=True)\nsys.stdin.read()\n",
        tmp_path,
    )
    assert process.stdout
    assert process.stdout.readline() == "made\n"
    assert Cache(tmp_path, budget_bytes=1).sweep() == ()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert Cache(tmp_path, budget_bytes=1).sweep() == ("a",)


def test_processes_that_build_read_and_evict_at_once_never_meet_half_an_entry(tmp_path: Path) -> None:
    processes = [start(STRESS, tmp_path, seed) for seed in range(4)]
    killed, *others = processes
    assert killed.stdout
    assert killed.stdout.readline() == "in the middle\n"
    killed.send_signal(signal.SIGKILL)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in others] == [0, 0, 0]
    cache = Cache(tmp_path, budget_bytes=5000)
    cache.sweep()
    assert list((tmp_path / "building").iterdir()) == []
    entries = list((tmp_path / "entries").iterdir())
    assert all(manifest.damage(entry, verify=True) is None for entry in entries)
    assert sum(manifest.total(entry) for entry in entries) <= 5000


def test_a_tree_without_write_permission_is_removed(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    for folder in (deep, deep.parent, deep.parent.parent):
        folder.chmod(0o500)
    atomic.remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_warm_look_imports_no_filelock(cache: Cache) -> None:
    cache.make("key", writing("x"))
    program = (
        "import pathlib, sys\nfrom noxlib.cache import Cache\nassert Cache(pathlib.Path(sys.argv[1])).get('key')\n"
        "assert not {'filelock', 'asyncio', 'uv', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(cache.folder)], check=True)


def test_the_state_folder_may_be_had_from_here() -> None:
    assert callable(cache_module.state_folder)
