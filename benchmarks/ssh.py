"""A warm ``sanity`` on a machine that ssh reaches, against tar over ssh and a chroot there."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Result
from benchmarks.machines import await_ssh
from benchmarks.projects import text
from benchmarks.steps import CHROOT, called, compare, long_project, session

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "noxlib-ssh-host"  # scripts/testbed/ssh-host makes it
TESTGROUNDS = "/var/lib/noxlib/testgrounds"


def run(rounds: int) -> list[Result]:
    """Measure; the testground's files are on the machine."""
    with long_project() as ours, _machine() as config:
        environment = {"NOXLIB_SSH_CONFIG": str(config)}
        words = ("sanity", "--", "--host", "bench", "--", "-s")
        session(ours, *words, environment=environment)
        digest = text(ours.latest("record.json"), "testground", "digest").partition(":")[2]
        there = f"unshare --mount sh -ec {shlex.quote(f'R={TESTGROUNDS}/{digest}; {CHROOT}')}"
        bare = f"tar -c --exclude=.noxlib . | ssh -F {config} bench {shlex.quote(there)}"
        return [
            compare(
                "ssh",
                "warm sanity on an SSH host by tar over ssh, chroot",
                lambda: session(ours, *words, environment=environment),
                lambda: called(("sh", "-c", bare), ours.root),
                rounds,
            )
        ]


@contextlib.contextmanager
def _machine() -> Iterator[Path]:
    """A container with sshd; the ssh configuration in which it is called ``bench``."""
    name = f"noxlib-bench-ssh-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="noxlib-bench-ssh-") as folder:
        key, config = Path(folder, "key"), Path(folder, "config")
        _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        try:
            _call("docker", "run", "-d", "--init", "--privileged", "--name", name, IMAGE)
            public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
            _call("docker", "exec", name, "sh", "-c", f"umask 077; echo '{public}' >~/.ssh/authorized_keys")
            address = _call("docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
            config.write_text(
                f"Host bench\n  HostName {address}\n  User root\n  IdentityFile {key}\n  IdentitiesOnly yes\n"
                f"  StrictHostKeyChecking no\n  UserKnownHostsFile {folder}/known\n  LogLevel ERROR\n",
                encoding="utf-8",
            )
            await_ssh(22, address)
            yield config
        finally:
            subprocess.run(("docker", "rm", "-f", "-v", name), check=False, capture_output=True)


def _call(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
