"""A warm ``vmtest-X`` by QEMU and SSH, against qemu from the same saved RAM, tar over ssh and a chroot; VM ready."""

from __future__ import annotations

import shlex
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Result, figure
from benchmarks.machines import GUEST, Parts, await_ssh, free_port, started
from benchmarks.projects import Project
from benchmarks.sampling import Failed, ran
from benchmarks.steps import PYTHON, Seen, compare, long_project, seen, session

READY_LIMIT = 4.0


def run(rounds: int) -> list[Result]:
    """Measure; golden image, disk and saved RAM are there."""
    with long_project() as ours:
        step = (f"vmtest-{PYTHON}", "--", "--rung", "qemu", "--", "-s")
        ready: list[float] = []
        session(ours, *step)
        parts = Parts.of(ours, "qemu")

        def noxlib() -> Seen:
            found = session(ours, *step)
            ready.append(_ready(ours))
            return found

        target = f"warm vmtest-{PYTHON} by qemu from saved RAM, tar over ssh, chroot"
        result = compare("vm", target, noxlib, lambda: _by_hand(ours, parts), rounds)
        machine = Result("vm", "a machine ready from saved RAM", READY_LIMIT, "s", figure(ready[1:]), {})
        return [result, machine]


def _ready(ours: Project) -> float:
    machine = ours.latest("record.json").get("machine")
    found = machine.get("ready") if isinstance(machine, dict) else None
    if not isinstance(found, float):
        raise Failed("the record does not say when the machine was ready")
    return found


def _by_hand(ours: Project, parts: Parts) -> Seen:
    from noxlib.engines import qemu  # noqa: PLC0415 - for this one alone

    with tempfile.TemporaryDirectory(prefix="nb-") as name:
        folder = Path(name)
        files = qemu.Files(folder, folder)
        began = time.time()
        parts.overlays(files)
        port = free_port()
        words = qemu.argv(parts.made, parts.shape, files, incoming=parts.ram.state)
        with started([word.replace("127.0.0.1:0-", f"127.0.0.1:{port}-") for word in words], folder):
            await_ssh(port)
            options = f"-i {parts.made.identity} -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            there = shlex.quote(f"NOW={int(time.time())}; {GUEST}")
            bare = f"tar -c --exclude=.noxlib . | ssh -q {options} root@127.0.0.1 {there}"
            _, output = ran(("sh", "-c", bare), ours.root)
    return seen(began, output)
