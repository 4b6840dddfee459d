"""Apptainer on this machine: it makes its image, a SIF, of what an engine saved."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from noxlib.engines import process
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Level 1 of zstd makes in seconds what gzip makes in a minute, and is read faster.
COMPRESSION = "-comp zstd -Xcompression-level 1"
_SECONDS = 1800.0


def build(saved: Iterable[bytes], target: Path) -> None:
    """Make a SIF; the archive stands beside it meanwhile.

    Args:
        saved: One image as ``docker save`` gives it, in pieces.
        target: The file, in a folder that is removed by the caller.

    Raises:
        EngineError: There is no Apptainer, or it refuses the image.
    """
    program = shutil.which("apptainer") or shutil.which("singularity")
    if program is None:
        raise EngineError("there is no apptainer on this machine", "install it, or leave --sif out")
    archive = target.with_suffix(".tar")
    with archive.open("wb") as file:
        file.writelines(saved)
    argv = [program, "--quiet", "build", "--force", str(target), f"docker-archive:{archive}"]
    environment = {**os.environ, "APPTAINER_MKSQUASHFS_ARGS": COMPRESSION, "APPTAINER_TMPDIR": str(target.parent)}
    done = process.run(argv, env=environment, timeout=_SECONDS)
    archive.unlink()
    if done.returncode != 0 or not target.is_file():
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = next((line for line in lines if line.startswith("FATAL")), lines[-1] if lines else "it said nothing")
        raise EngineError(
            f"apptainer could not make its image: {said[:300]}", "run `apptainer build` by hand to see why"
        )
