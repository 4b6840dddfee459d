"""The cache of test data: made once for all who ask, damage is repaired, a full disk is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noxlib import cache as noxlib_cache
from noxlib.inside import data, data_cache, tasks
from noxlib.inside.data_cache import Cache, DataError

REPOSITORY = Path(__file__).parents[3]
ASK = """
import os, sys, time
from noxlib.inside.data_cache import Cache

def build(folder):
    with open(sys.argv[2], "a") as log:
        log.write("built\\n")
    with open(os.path.join(folder, "file"), "w") as stream:
        stream.write("content")

print("ready", flush=True)
sys.stdin.readline()
print(Cache(sys.argv[1]).make("key", build))
"""
KILLED = """
import os, sys, time
from noxlib.inside.data_cache import Cache

def build(folder):
    open(os.path.join(folder, "half"), "w").close()
    print("building", flush=True)
    time.sleep(600)

Cache(sys.argv[1]).make("key", build)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"))


def writes(content: str) -> Callable[[str], None]:
    def build(folder: str) -> None:
        Path(folder, "sub").mkdir()
        Path(folder, "sub", "file").write_text(content)

    return build


def never(_: str) -> None:
    pytest.fail("it was there already")


def file_of(folder: str) -> Path:
    return Path(folder, "sub", "file")


def left(cache: Cache) -> list[str]:
    """What is being built."""
    building = Path(cache.folder, "building")
    return [path.name for path in building.iterdir()] if building.exists() else []


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def test_eight_processes_that_ask_at_once_get_what_one_made(tmp_path: Path) -> None:
    asking = [started(ASK, str(tmp_path / "cache"), str(tmp_path / "log")) for _ in range(8)]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    found = [process.communicate("go\n")[0] for process in asking]
    assert [process.returncode for process in asking] == [0] * 8
    assert found == [f"{tmp_path}/cache/entries/key/files\n"] * 8
    assert (tmp_path / "log").read_text() == "built\n"


def test_what_a_killed_builder_left_goes_and_its_lock_holds_nobody_up(cache: Cache) -> None:
    with started(KILLED, cache.folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        process.send_signal(signal.SIGKILL)
    assert len(left(cache)) == 1
    assert file_of(cache.make("key", writes("whole"))).read_text() == "whole"
    assert left(cache) == []


@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "manifest", "nonsense", "bare"])
def test_a_damaged_entry_is_made_again(cache: Cache, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = file_of(cache.make("key", writes("first")))
    manifest = path.parents[2] / "manifest.json"
    path.chmod(0o600)
    harms: dict[str, Callable[[], object]] = {
        "cut": lambda: path.write_text("fir"),
        "changed": lambda: path.write_text("FIRST"),
        "gone": path.unlink,
        "manifest": manifest.unlink,
        "nonsense": lambda: manifest.write_text('{"files": {"sub/file": 3}}'),
        "bare": lambda: manifest.write_text("[]"),
    }
    harms[harm]()
    cache.close()
    again = Cache(cache.folder)  # as another process: this one has looked at every byte already
    assert file_of(again.make("key", writes("second"))).read_text() == "second"
    assert "key in " in capsys.readouterr().out
    assert left(again) == []
    again.make("key", never)


def test_a_file_of_the_cache_is_not_to_be_written_to(cache: Cache) -> None:
    path = file_of(cache.make("key", writes("first")))
    assert path.stat().st_mode & 0o222 == 0


def test_the_clock_may_go_back(cache: Cache) -> None:
    path = file_of(cache.make("key", writes("first")))
    future = 4_000_000_000.0
    for folder, names, files in os.walk(cache.folder):
        for name in (*names, *files):
            os.utime(Path(folder, name), (future, future))
    cache.close()
    Cache(cache.folder).make("key", never)
    assert path.read_text() == "first"


def test_a_full_disk_is_told_in_two_lines_and_nothing_is_left(cache: Cache) -> None:
    def build(folder: str) -> None:
        Path(folder, "part").write_text("some of it")
        with open("/dev/full", "wb", buffering=0) as stream:  # noqa: PTH123
            stream.write(b"more")

    with pytest.raises(DataError, match=r"^the disk with .* is full\n  free space there, or set NOXLIB_DATA_DIR"):
        cache.make("key", build)
    assert left(cache) == []
    assert not Path(cache.folder, "entries", "key").exists()
    cache.make("key", writes("later"))


def test_an_error_of_the_builder_passes_and_leaves_nothing(cache: Cache) -> None:
    with pytest.raises(ZeroDivisionError):
        cache.make("key", lambda _: [][1 // 0])
    assert left(cache) == []


def test_a_folder_that_cannot_be_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be used: .*\n  make it yours and writable"):
        Cache(str(tmp_path / "file")).make("key", never)


def test_noxlibs_own_cache_knows_the_entries_and_leaves_those_in_use(tmp_path: Path) -> None:
    inside = Cache(str(tmp_path))
    what = data.wanted("tar.gz", 0.1, 10)
    made = inside.make(what.key, lambda folder: data.make(what, str(Path(folder, what.name))))
    own = noxlib_cache.Cache(tmp_path, budget_bytes=1)
    assert own.get(what.key, verify=True) == Path(made)
    own.release(what.key)
    assert own.sweep() == ()
    inside.close()
    assert own.sweep() == (what.key,)
    assert not Path(made).exists()


def test_what_noxlibs_own_cache_made_is_taken(tmp_path: Path) -> None:
    own = noxlib_cache.Cache(tmp_path)
    made = own.make("key", lambda folder: writes("theirs")(str(folder)))
    assert Cache(str(tmp_path)).make("key", never) == str(made)
    own.release("key")


def test_the_folder_is_the_one_that_was_named_the_runs_or_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "current", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    for name in ("NOXLIB_DATA_DIR", "NOXLIB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert data_cache.default() == "/xdg/noxlib/data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/users/one")
    assert data_cache.default() == "/users/one/.cache/noxlib/data"
    monkeypatch.setattr(tasks, "current", lambda: {"result": str(tmp_path / "result")})
    assert data_cache.default() == str(tmp_path / "data")
    monkeypatch.setenv("NOXLIB_CACHE_DIR", "/state")
    assert data_cache.default() == "/state/data"
    monkeypatch.setenv("NOXLIB_DATA_DIR", "~/mine")
    assert data_cache.default() == "/users/one/mine"
