"""All testgrounds in one file, and out of it into an engine that has none of them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxlib.engines.docker import Docker
from noxlib.engines.slurm_cluster import Simulation
from noxlib.ledger import Ledger

from .apptainers import assert_runs, with_apptainer
from .checks import remove_images, rename, told
from .conftest import DEADLINE, NOXFILE, PROJECTS, Nox, kill_group, wait_until
from .test_second_engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.docker]

FILE = Path(".noxlib", "testgrounds.tar.zst")
FAST = "APPTAINER_MKSQUASHFS_ARGS=-comp zstd -Xcompression-level 1"
CONFIGURATION = 'pythons = ["3.10", "3.12"]\npackages = ["iniconfig"]\n'


class Archivist(Nox):
    """A project of a name of its own: its images are removed and loaded again."""

    name = ""

    def forget(self) -> None:
        remove_images(self.name)

    def images(self) -> set[str]:
        listed = ["docker", "image", "ls", "--format", "{{.Tag}} {{.ID}}", f"{self.name}-testground"]
        tags = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
        return {tag for tag in tags if "-fp-" in tag and "-builder" not in tag}

    def tag(self, python: str) -> str:
        (tag,) = (image.partition(" ")[0] for image in self.images() if image.startswith(f"py{python}-"))
        return tag


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archivist]:
    """One project for all tests here, its testgrounds of two Pythons built and exported."""
    folder = tmp_path_factory.mktemp("archive") / "project"
    shutil.copytree(PROJECTS / "flat", folder)
    (folder / "noxfile.py").write_text(NOXFILE)
    (folder / "noxlib.toml").write_text(CONFIGURATION)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NOXLIB_") or k == "NOXLIB_CACHE_DIR"}
    kept.pop("CI", None)
    nox = Archivist(folder, kept)
    nox.name = rename(nox)
    exported = nox("-s", "testground_export")
    assert exported.code == 0, exported.output
    yield nox
    nox.forget()


@pytest.fixture
def nox(project: Archivist) -> Archivist:
    """The same, with an engine that has none of its images."""
    project.forget()
    assert project.images() == set()
    return project


class Isolated(Archivist):
    """nox in a network namespace that has no network; the engine's socket is a file."""

    def argv(self, *words: str) -> list[str]:
        return ["unshare", "--net", *super().argv(*words)]


def read(output: str) -> float:
    """Which share of an archive was read."""
    (found,) = re.findall(r": read ([0-9.]+) of ([0-9.]+) MB", output)
    return float(found[0]) / float(found[1])


def test_what_was_exported_is_loaded_where_there_is_nothing_and_runs_the_tests(nox: Archivist, tmp_path: Path) -> None:
    one = nox("-s", "testground_load-3.12")
    assert one.code == 0, one.output
    assert [image[:6] for image in nox.images()] == ["py3.12"]
    assert read(one.output) < 0.8  # what the two share, and its own
    loaded = nox("-s", "testground_load")
    assert loaded.code == 0, loaded.output
    before = nox.images()
    assert len(before) == 2
    ran = nox("-s", "unit-3.10", "unit-3.12", "--", "--no-build")
    assert ran.code == 0, ran.output
    again = tmp_path / "again.tar.zst"
    assert nox("-s", "testground_export", "--", "--no-build", str(again)).code == 0
    assert again.read_bytes() == (nox.folder / FILE).read_bytes()
    nox.forget()
    subprocess.run(["docker", "load", "-q", "-i", str(again)], check=True, capture_output=True)
    assert nox.images() == before


def test_nothing_of_a_damaged_archive_is_loaded(nox: Archivist, tmp_path: Path) -> None:
    data = (nox.folder / FILE).read_bytes()
    middle = len(data) // 2
    for damage, damaged in {
        "cut in the middle": data[:middle],
        "one bit": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "something else": b"PK\3\4 is a zip" * 100,
    }.items():
        path = tmp_path / "damaged.tar.zst"
        path.write_bytes(damaged)
        ended = nox("-s", "testground_load", "--", str(path))
        assert (told(ended), "and nothing of it was loaded" in ended.output) == (2, True), damage + ended.output
        assert nox.images() == set(), damage


def test_a_delta_is_loaded_on_what_it_was_made_against_and_on_nothing_else(nox: Archivist, tmp_path: Path) -> None:
    old, new = tmp_path / "old.tar.zst", tmp_path / "new.tar.zst"
    assert nox("-s", "testground_load").code == 0
    assert nox("-s", "testground_export", "--", "--no-build", "--python", "3.10", str(old)).code == 0
    made = nox("-s", "testground_export", "--", "--no-build", "--python", "3.12", "--base", str(old), str(new))
    assert made.code == 0, made.output
    assert f"a delta that needs {nox.name}-testground:py3.10-fp-" in made.output
    assert new.stat().st_size < 0.8 * (nox.folder / FILE).stat().st_size - 0.3 * old.stat().st_size
    (by_name, *_) = (f"{nox.name}-testground:{image.partition(' ')[0]}" for image in nox.images() if "3.10" in image)
    again = tmp_path / "again.tar.zst"
    words = ("--no-build", "--python", "3.12", "--base", by_name, str(again))
    assert nox("-s", "testground_export", "--", *words).code == 0
    assert abs(again.stat().st_size - new.stat().st_size) < 1000  # the base by its name in the engine
    nox.forget()
    refused = nox("-s", "testground_load", "--", str(new))
    assert (told(refused), "is a delta, and nothing of it was loaded" in refused.output) == (2, True), refused.output
    assert by_name in refused.output
    assert nox.images() == set()
    loaded = nox("-s", "testground_load", "--", "--base", str(old), str(new))
    assert loaded.code == 0, loaded.output
    assert [image[:6] for image in nox.images()] == ["py3.12"]
    nox.forget()
    assert nox("-s", "testground_load-3.10").code == 0
    loaded = nox("-s", "testground_load", "--", str(new))
    assert loaded.code == 0, loaded.output


@pytest.mark.slurm
def test_a_machine_without_a_network_runs_the_tests_of_a_bundle(
    nox: Archivist, own_state: Path, tmp_path: Path
) -> None:
    assert nox("-s", "testground_load-3.10").code == 0
    bundle, apptainer = tmp_path / "bundle.tar.zst", with_apptainer(tmp_path)
    made = nox("-s", "testground_export", "--", "--bundle", "--sif", "--python", "3.10", str(bundle), **apptainer)
    assert made.code == 0, made.output
    engine = Engine()
    try:
        empty = {"NOXLIB_CACHE_DIR": str(own_state), "UV_CACHE_DIR": str(tmp_path / "uv")}
        own = {"DOCKER_HOST": engine.url, "NOXLIB_OFFLINE": "1", **empty}
        there = Isolated(nox.folder, {**nox.environment, **own})
        for place in ("container", "venv"):
            absent = there("-s", "unit-3.10", "--", "--place", place)
            assert (told(absent), "NOXLIB_OFFLINE is set, and the lock of" in absent.output) == (2, True), absent.output
        for words, text in (
            (("testground_pull-3.10", "--", "main"), "it comes from the registry"),
            (("golden_image",), "it comes from the mirror"),
        ):
            ended = there("-s", *words, NOXLIB_IMAGE="127.0.0.1:9/owner/demo")
            assert (told(ended), text in ended.output) == (2, True), ended.output
        loaded = there("-s", "testground_load", "--", str(bundle))
        assert loaded.code == 0, loaded.output
        for place in ("container", "venv"):
            ran = there("-s", "unit-3.10", "--", "--place", place)
            assert ran.code == 0, ran.output
            assert there.record.place is not None
            assert (there.record.place.name, there.record.counts.passed > 0) == (place, True)
        (sif,) = own_state.glob("sif/*.sif")
        assert f"the Apptainer image of Python 3.10: {sif}" in loaded.output
        assert_runs(sif, apptainer)
    finally:
        engine.close()


@pytest.mark.slurm
def test_apptainer_builds_its_image_of_a_plain_archive(nox: Archivist, tmp_path: Path) -> None:
    plain = tmp_path / "one.tar"
    assert nox("-s", "testground_load-3.10").code == 0
    assert nox("-s", "testground_export", "--", "--no-build", "--python", "3.10", str(plain)).code == 0
    simulation = Simulation(Docker.connect(), tmp_path)
    simulation.build()
    build = "apptainer --quiet build --force /tmp/x.sif $kind-archive:/one.tar"
    script = f"set -e; for kind in docker oci; do {build}; apptainer exec /tmp/x.sif python -m pytest --version; done"
    loose = [f"--security-opt={name}=unconfined" for name in ("seccomp", "apparmor", "systempaths")]
    argv = [
        "docker",
        "run",
        "--rm",
        *loose,
        "--device=/dev/fuse",
        "--tmpfs=/tmp:exec",
        f"--env={FAST}",
        f"--volume={plain}:/one.tar:ro",
    ]
    ended = subprocess.run(
        [*argv, "--entrypoint=sh", simulation.image, "-c", script],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (ended.returncode, ended.stdout.count("pytest ")) == (0, 2), ended.stdout + ended.stderr
    nox.forget()
    assert nox("-s", "testground_load", "--", str(plain)).code == 0
    assert len(nox.images()) == 1


def test_what_cannot_be_taken_is_told_in_two_lines(nox: Archivist, tmp_path: Path) -> None:
    mine, foreign = nox.folder / "pyproject.toml", tmp_path / "foreign"
    shutil.copytree(PROJECTS / "flat", foreign)
    (foreign / "noxfile.py").write_text(NOXFILE)
    before = mine.read_bytes()
    other = Archivist(foreign, nox.environment)
    other.name = rename(other)
    for who, words, text in (
        (nox, ("testground_export", "--", "--python", "2.7"), "has no Python '2.7'"),
        (nox, ("testground_export", "--", "nowhere/x.tar.zst"), "there is no folder nowhere"),
        (nox, ("testground_export", "--", "pyproject.toml"), "is there and is no archive: it is left as it is"),
        (nox, ("testground_export", "--", "--base", "absent", "x.tar"), "no such image in the engine"),
        (nox, ("testground_load", "--", "absent.tar.zst"), "there is no file"),
        (nox, ("testground_load", "--", "a", "b"), "takes one file"),
        (other, ("testground_load", "--", str(nox.folder / FILE)), "and this project is"),
    ):
        ended = who("-s", *words)
        assert (told(ended), text in ended.output) == (2, True), ended.output
    assert mine.read_bytes() == before
    assert nox.images() == other.images() == set()


def test_a_disk_that_is_full_leaves_no_half_archive(nox: Archivist, disk: Callable[[str, int], Path]) -> None:
    small = disk("small", 9 * 1024)
    assert nox("-s", "testground_load-3.10").code == 0
    ended = nox("-s", "testground_export", "--", "--no-build", "--python", "3.10", str(small / "x.tar.zst"))
    assert (told(ended), "No space left on device" in ended.output) == (2, True), ended.output
    assert list(small.iterdir()) == []


def killed_half_way(nox: Nox, export: subprocess.Popen[str]) -> str:
    """Kill an export while it writes, unless it has ended before that was seen; what it printed."""

    def files() -> list[str]:  # a walk, unlike a glob, passes over what goes away meanwhile
        return [name for at, _, names in os.walk(nox.folder) if ".noxlib-export-" in at for name in names]

    try:
        wait_until(lambda: files() or export.poll() is not None, "a half-written archive")
    finally:
        kill_group(export, signal.SIGKILL)
    return export.communicate(timeout=300)[0]


def test_an_export_that_was_killed_leaves_nothing_and_no_archive(nox: Archivist, own_state: Path) -> None:
    assert nox("-s", "testground_load-3.10", NOXLIB_CACHE_DIR=str(own_state)).code == 0
    words, target = ("testground_export", "--", "--python", "3.10", "x.tar.zst"), nox.folder / "x.tar.zst"
    for _ in range(5):  # one that ended before it could be killed is begun again
        target.unlink(missing_ok=True)
        started = nox.start("-s", *words, NOXLIB_CACHE_DIR=str(own_state))
        output = killed_half_way(nox, started)
        if not target.exists():
            break
    assert (started.returncode, target.exists()) == (-signal.SIGKILL, False), output
    assert nox("-s", "reap", NOXLIB_CACHE_DIR=str(own_state)).code == 0
    assert list(nox.folder.glob(".noxlib-export-*")) == []
    assert Ledger(own_state).entries() == ()
