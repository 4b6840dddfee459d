"""Apptainer on a machine that has none: that of the simulated cluster's image, as a command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from noxlib.engines.docker import Docker
from noxlib.engines.slurm_cluster import Simulation

APPTAINER = """#!/bin/sh
# The apptainer of a machine that has one: it is given the folder that it writes to, under its own name.
exec docker run --rm --privileged -e APPTAINER_MKSQUASHFS_ARGS -v "$APPTAINER_TMPDIR:$APPTAINER_TMPDIR" \
    -e APPTAINER_TMPDIR --entrypoint apptainer "$TESTS_APPTAINER_IMAGE" "$@"
"""


def with_apptainer(folder: Path) -> dict[str, str]:
    """Variables with which a command ``apptainer`` is found: that of the simulated cluster's image."""
    simulation = Simulation(Docker.connect(), folder / "slurm")
    simulation.build()
    program = folder / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER)
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}", "TESTS_APPTAINER_IMAGE": simulation.image}


def assert_runs(file: Path, variables: dict[str, str]) -> None:
    """The Python of an Apptainer image has pytest; ``variables``: as ``with_apptainer`` gives them."""
    program = shutil.which("apptainer", path=variables["PATH"])
    argv = [str(program), "exec", "--no-privs", str(file), "python", "-c", "import pytest; print('it runs')"]
    there = {**os.environ, **variables, "APPTAINER_TMPDIR": str(file.parent)}
    ran = subprocess.run(argv, env=there, check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, "it runs"), ran.stderr
