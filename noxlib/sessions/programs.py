"""What this machine has for the places beyond containers: one finding and one fix for each engine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from noxlib.config.models import ComposeConfig, Config, VmtestConfig
from noxlib.config.project import Project
from noxlib.engines import process
from noxlib.errors import NoxlibError
from noxlib.places.clusters import HERE
from noxlib.sessions.finding import Finding

_SECONDS = 20.0  #: for a program to tell its version
_KVM = Path("/dev/kvm")
_SLOW = "machines are emulated, and Python in them is about 12 times slower"
_KVM_FIX = "join the group kvm (usermod -aG kvm YOU); on a virtual machine: turn nested virtualisation on"


class _Program(msgspec.Struct, frozen=True):
    """A program that steps start; ``argv`` tells its version."""

    name: str
    argv: tuple[str, ...]
    fix: str
    least: tuple[int, ...] = ()  #: the oldest version that will do
    steps: str = ""  #: what cannot be done without it


_PROGRAMS = (
    _Program("ssh", ("ssh", "-V"), "install the OpenSSH client (Debian: openssh-client)", (7, 3), "sanity, hpc_*"),
    _Program("qemu", ("qemu-system-x86_64", "--version"), "install QEMU (Debian: qemu-system-x86)", (7,), "vmtest"),
    _Program("qemu-img", ("qemu-img", "--version"), "install its tools (Debian: qemu-utils)", (7,), "vmtest"),
    _Program("mmdebstrap", ("mmdebstrap", "--version"), "install mmdebstrap", (), "golden_image"),
    _Program("vmtest", ("vmtest", "--version"), "cargo install vmtest --locked", (0, 18), "vmtest -- --rung vmtest"),
    _Program("apptainer", ("apptainer", "--version"), "a cluster's nodes need it, this machine does not", (1, 2)),
    _Program("kubectl", ("kubectl", "version", "--client"), "install kubectl"),
)


def look(project: Project) -> Iterator[Finding]:
    """All findings, in the order in which they are shown."""
    needed = needs(project.config)
    for finding in _all():
        yield msgspec.structs.replace(finding, needed=finding.name in needed)


def needs(config: Config) -> frozenset[str]:
    """The findings that the configuration cannot do without: what a project only could do needs nothing."""
    hosts = {config.sanity.host, config.hpc.host} - {None}
    wanted = {
        "ssh": bool(hosts - {HERE}),
        "slurm": config.hpc.host == HERE,
        "qemu": config.vmtest != VmtestConfig(),
        "qemu-img": config.vmtest != VmtestConfig(),
        "vmtest": config.vmtest.rung == "vmtest",
        "compose": config.compose_integration != ComposeConfig(),
    }
    return frozenset(name for name, is_wanted in wanted.items() if is_wanted)


def _all() -> Iterator[Finding]:
    for program in _PROGRAMS:
        yield _version(program)
        if program.name == "qemu":
            yield _kvm()
    yield _slurm()


def _version(program: _Program) -> Finding:
    path = shutil.which(program.argv[0])
    without = f" (without it: no {program.steps})" if program.steps else ""
    if path is None:
        return Finding(program.name, f"{program.argv[0]} is not on PATH{without}", ok=False, fix=program.fix)
    try:
        done = process.run(program.argv, timeout=_SECONDS)
    except NoxlibError as error:
        return Finding(program.name, error.what, ok=False, fix=program.fix)
    told = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
    if done.returncode != 0:
        return Finding(program.name, f"{path} ends with {done.returncode}: {told}"[:200], ok=False, fix=program.fix)
    if version_in(told) < program.least:
        wanted = ".".join(map(str, program.least))
        return Finding(program.name, f"{told}; it is older than {wanted}", ok=False, fix=program.fix)
    return Finding(program.name, f"{told} at {path}")


def version_in(text: str) -> tuple[int, ...]:
    """The first version in what a program tells of itself; empty where there is none.

    >>> version_in("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.14"), version_in("slurm-wlm 24.11.5")
    ((9, 2), (24, 11, 5))
    """
    found = re.search(r"\d+(\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _kvm() -> Finding:
    """Whether virtual machines are fast: what a probe found that boots the golden image, where there is one."""
    from noxlib.engines import accelerator, golden  # noqa: PLC0415 - the doctor asks everything, no other step does

    made = golden.find()
    if made is None and os.access(_KVM, os.R_OK | os.W_OK):
        return Finding("kvm", f"{_KVM} is there; whether machines boot with it is tried once there is a golden image")
    if made is None:
        return Finding("kvm", f"{_KVM} is not there, or not yours: {_SLOW}", ok=False, fix=_KVM_FIX)
    try:
        found = accelerator.choose(made, lambda _: None)
    except NoxlibError as error:
        return Finding("kvm", error.what, ok=False, fix=error.todo)
    fast = found.accelerator == "kvm"
    return Finding("kvm", found.reason if fast else f"{found.reason}: {_SLOW}", ok=fast, fix="" if fast else _KVM_FIX)


def _slurm() -> Finding:
    """A cluster is reached over SSH, so sbatch is needed here on a login node alone."""
    if shutil.which("sbatch") is not None:
        return _version(_Program("slurm", ("sbatch", "--version"), "ask the cluster's administrators"))
    return Finding("slurm", "no sbatch on PATH, so hpc_* need a login host", ok=False, fix="nox -s hpc_simulation")
