"""Four testgrounds with scientific packages exported and loaded, in turns with ``docker save`` and ``docker load``."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Result, figure, ratios
from benchmarks.projects import Project, project
from benchmarks.sampling import Failed, in_turns, nox, ran, say, timed

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE, EXPORT, LOAD = 0.35, 1.0, 1.25
PYTHONS = ("3.9", "3.10", "3.11", "3.12")
SETTINGS = f'pythons = {list(PYTHONS)}\npackages = ["numpy", "scipy"]\n'.replace("'", '"')
ROUNDS = 5


def run(rounds: int) -> list[Result]:
    """Measure; the images are removed before each load."""
    with project("bench_archives") as ours, tempfile.TemporaryDirectory(prefix="noxlib-bench-") as folder:
        ours.file("noxlib.toml", SETTINGS)
        try:
            return _measured(ours, Path(folder), min(rounds, ROUNDS))
        finally:
            _forget(_images(ours))


def _measured(ours: Project, folder: Path, rounds: int) -> list[Result]:
    say("  making four testgrounds")
    ran(nox("-s", "testground_build"), ours.root)
    images = _images(ours)
    if len(images) != len(PYTHONS):
        raise Failed(f"{len(images)} testgrounds are there, not {len(PYTHONS)}")
    archive = folder / "all.tar.zst"
    save = {
        "noxlib": lambda: timed(nox("-s", "testground_export", "--", "--no-build", str(archive)), ours.root),
        "docker save": lambda: sum(
            timed(("docker", "save", "-o", _tar(folder, at), one), folder) for at, one in images
        ),
    }
    saved = in_turns(save, rounds)
    separate = sum(Path(_tar(folder, at)).stat().st_size for at, _ in images)
    load = {
        "noxlib": lambda: _loaded(images, nox("-s", "testground_load", "--", str(archive)), ours.root),
        "docker load": lambda: _loaded(images, ("docker", "load", "-q", "-i", str(archive)), folder),
    }
    loaded = in_turns(load, rounds)
    size = archive.stat().st_size
    megabytes = {"noxlib": figure([size / 1e6]), "docker save": figure([separate / 1e6])}
    share = figure([size / separate])
    return [
        Result("export size", "four testgrounds, by four docker save tars", SIZE, "x", share, megabytes, "MB"),
        _compared("export", "the same, in time", EXPORT, saved, "docker save"),
        _compared("load", "four testgrounds, by docker load of the same file", LOAD, loaded, "docker load"),
    ]


def _compared(name: str, what: str, limit: float, values: dict[str, list[float]], bare: str) -> Result:
    measured = figure(ratios(values["noxlib"], values[bare]))
    return Result(name, what, limit, "x", measured, {each: figure(seconds) for each, seconds in values.items()})


def _tar(folder: Path, number: int) -> str:
    return str(folder / f"{number}.tar")


def _loaded(images: Sequence[tuple[int, str]], argv: Sequence[str], folder: Path) -> float:
    """Seconds of loading into an engine that has none of the images; that is theirs alone, of no base."""
    _forget(images)
    return timed(argv, folder)


def _images(ours: Project) -> list[tuple[int, str]]:
    """The references of the testgrounds, numbered."""
    name = f"{ours.name.replace('_', '-')}-testground"
    listed = ("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", name)
    found = subprocess.check_output(listed, text=True).split()
    return list(enumerate(sorted(image for image in found if "-fp-" in image and not image.endswith("-builder"))))


def _forget(images: Sequence[tuple[int, str]]) -> None:
    for _, image in images:
        local = f"{image.partition('-fp-')[0]}-local"
        subprocess.run(("docker", "image", "rm", "-f", image, local), check=False, capture_output=True)
