"""All testgrounds in one file, and out of it into an engine that has none of them."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.ledger import Ledger

from .checks import remove_images, rename
from .conftest import Nox, kill_group, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.docker]

FILE = Path(".noxlib", "testgrounds.tar.zst")


class Archivist(Nox):
    """A project of a name of its own: its images are removed and loaded again."""

    name = ""

    def forget(self) -> None:
        remove_images(self.name)

    def images(self) -> set[str]:
        listed = ["docker", "image", "ls", "--format", "{{.Tag}}", f"{self.name}-testground"]
        tags = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
        return {tag for tag in tags if "-fp-" in tag and not tag.endswith("-builder")}


@pytest.fixture
def nox(adopt: Adopt) -> Iterator[Archivist]:
    adopted = adopt("flat", configuration='pythons = ["3.10", "3.12"]\npackages = ["iniconfig"]\n')
    nox = Archivist(adopted.folder, adopted.environment)
    nox.name = rename(nox)
    yield nox
    nox.forget()


def test_what_was_exported_is_loaded_where_there_is_nothing_and_runs_the_tests(nox: Archivist, tmp_path: Path) -> None:
    exported = nox("-s", "testground_export")
    assert exported.code == 0, exported.output
    before = nox.images()
    assert len(before) == 2
    again = tmp_path / "again.tar.zst"
    assert nox("-s", "testground_export", "--", "--no-build", str(again)).code == 0
    assert again.read_bytes() == (nox.folder / FILE).read_bytes()
    sizes = []
    for python in ("3.10", "3.12"):
        one = tmp_path / f"{python}.tar.zst"
        assert nox("-s", "testground_export", "--", "--python", python, str(one)).code == 0
        sizes.append(one.stat().st_size)
    assert again.stat().st_size < 0.8 * sum(sizes)  # layers that two Pythons share are in it once
    nox.forget()
    assert nox.images() == set()
    loaded = nox("-s", "testground_load")
    assert loaded.code == 0, loaded.output
    assert nox.images() == before
    ran = nox("-s", "unit-3.10", "unit-3.12", "--", "--no-build")
    assert ran.code == 0, ran.output
    nox.forget()
    subprocess.run(["docker", "load", "-q", "-i", str(again)], check=True, capture_output=True)
    assert nox.images() == before


def test_nothing_of_a_damaged_archive_is_loaded(nox: Archivist) -> None:
    assert nox("-s", "testground_export", "--", "--python", "3.10").code == 0
    path = nox.folder / FILE
    data = path.read_bytes()
    middle = len(data) // 2
    nox.forget()
    for damage, damaged in {
        "cut at its end": data[:-2],
        "cut in the middle": data[:middle],
        "one bit": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "empty": b"",
        "something else": b"PK\3\4 is a zip" * 100,
        "appended": data + b"more",
    }.items():
        path.write_bytes(damaged)
        ended = nox("-s", "testground_load")
        assert (ended.code, "and nothing of it was loaded" in ended.output) == (1, True), damage + ended.output
        assert "Traceback" not in ended.output
        assert nox.images() == set(), damage


def test_a_python_or_a_file_that_is_not_there_is_told_in_two_lines(nox: Archivist) -> None:
    for words, text in (
        (("testground_export", "--", "--python", "2.7"), "has no Python '2.7'"),
        (("testground_export", "--", "nowhere/x.tar.zst"), "there is no folder nowhere"),
        (("testground_load", "--", "absent.tar.zst"), "there is no file"),
        (("testground_load", "--", "a", "b"), "takes one file"),
    ):
        ended = nox("-s", *words)
        assert (ended.code, text in ended.output, "Traceback" in ended.output) == (1, True, False), ended.output


def test_an_export_that_was_killed_leaves_nothing_and_no_archive(nox: Archivist, own_state: Path) -> None:
    assert nox("-s", "testground_build-3.10").code == 0
    process = nox.start("-s", "testground_export", "--", "--python", "3.10")
    try:
        wait_until(lambda: list((nox.folder / ".noxlib").glob(".noxlib-export-*/*")), "a half-written archive")
    finally:
        kill_group(process, signal.SIGKILL)
    process.communicate()
    assert not (nox.folder / FILE).exists()
    assert nox("-s", "reap").code == 0
    assert list((nox.folder / ".noxlib").glob(".noxlib-export-*")) == []
    assert Ledger(own_state).entries() == ()
