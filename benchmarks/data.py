"""Test data: how fast they are made, beside gzip at its fastest and beside the generator that most projects write."""

from __future__ import annotations

import io
import random
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Result, figure, ratios
from benchmarks.sampling import in_turns, say
from noxlib.inside import data

if TYPE_CHECKING:
    from collections.abc import Callable

MB, FILES = 200, 100
SECONDS = 1.0  #: for that size: 200 MB/s
PLAIN_MB = 2  #: of the plain generator, which takes a second for each
ROUNDS = 5


def run(rounds: int) -> list[Result]:
    """Measure all forms in turns; gzip is given the same tar archive, on the same disk."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        calls: dict[str, Callable[[], float]] = {
            "files": lambda: _made(here, "files"),
            "tar": lambda: _made(here, "tar"),
            "tar.gz": lambda: _made(here, "tar.gz"),
            "tar.gz, compressible": lambda: _made(here, "tar.gz", compressible=True),
        }
        for compressible in (False, True):
            what = data.wanted("tar", MB, FILES, compressible=compressible)
            path = here / f"{compressible}.tar"
            data.make(what, str(path))
            calls[f"gzip -1 {compressible}"] = lambda path=path: _gzip(path)  # type: ignore[misc]
        seconds = in_turns(calls, min(rounds, ROUNDS))
        plain = _plain(here / "plain.tar.gz")
    say(f"  a plain generator: {PLAIN_MB / plain:.2f} MB/s")
    found = {name: figure(values) for name, values in seconds.items()}
    results = [
        Result(f"data, {form}", f"{MB} MB of incompressible data as {form}", SECONDS, "s", found[form], {})
        for form in ("files", "tar")
    ]
    for form, compressible in (("tar.gz", False), ("tar.gz, compressible", True)):
        theirs = f"gzip -1 {compressible}"
        details = {form: found[form], "gzip -1": found[theirs]}
        measured = figure(ratios(seconds[form], seconds[theirs]))
        results.append(Result(f"data, {form}", f"{MB} MB as {form}, by gzip -1 alone", 1.0, "x", measured, details))
    return results


def _made(folder: Path, form: str, *, compressible: bool = False) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        begin = time.perf_counter()
        data.make(data.wanted(form, MB, FILES, compressible=compressible), str(Path(made, "it")))
        return time.perf_counter() - begin


def _gzip(path: Path) -> float:
    with tempfile.TemporaryFile(dir=path.parent) as output:
        begin = time.perf_counter()
        subprocess.run(["gzip", "-1", "--stdout", path], stdout=output, check=True)
        return time.perf_counter() - begin


def _plain(path: Path) -> float:
    """Seconds of random bytes one by one, compressed at tarfile's default level."""
    begin = time.perf_counter()
    with tarfile.open(path, "w:gz") as archive:
        for number in range(10):
            content = bytes([random.randint(0, 255) for _ in range(PLAIN_MB * data.MB // 10)])
            info = tarfile.TarInfo(f"file_{number}.dat")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return time.perf_counter() - begin
