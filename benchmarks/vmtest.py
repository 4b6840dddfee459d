"""A warm ``vmtest-X -- --rung vmtest``, against the program vmtest from the same saved RAM."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Result
from benchmarks.machines import GUEST, Parts
from benchmarks.projects import Project
from benchmarks.sampling import ran
from benchmarks.steps import PYTHON, Seen, compare, long_project, seen, session


def run(rounds: int) -> list[Result]:
    """Measure; golden image, disk and saved RAM are there."""
    with long_project() as ours:
        step = (f"vmtest-{PYTHON}", "--", "--rung", "vmtest", "--", "-s")
        session(ours, *step)
        parts = Parts.of(ours, "vmtest")
        return [
            compare(
                "vmtest",
                f"warm vmtest-{PYTHON} --rung vmtest by vmtest from saved RAM",
                lambda: session(ours, *step),
                lambda: _by_hand(ours, parts),
                rounds,
            )
        ]


def _by_hand(ours: Project, parts: Parts) -> Seen:
    from noxlib.engines import qemu, vmtest  # noqa: PLC0415 - for this one alone

    with tempfile.TemporaryDirectory(prefix="nb-") as name:
        folder = Path(name)
        files = qemu.Files(folder, folder)
        began = time.time()
        parts.overlays(files)
        subprocess.run(("tar", "-c", "--exclude=.noxlib", "-f", folder / "code.tar", "."), cwd=ours.root, check=True)
        command = f"NOW={int(time.time())}; exec <{vmtest.SHARE}/code.tar; {GUEST}"
        extra = vmtest.beyond(parts.made, parts.shape, files, incoming=parts.ram.state)
        text = vmtest.configuration(parts.shape, command=command, wrapper=Path(qemu.PROGRAM), extra=extra)
        (folder / "vmtest.toml").write_text(text, encoding="utf-8")
        _, output = ran(("vmtest", "-c", "vmtest.toml"), folder, {"TMPDIR": name})
    return seen(began, output)
