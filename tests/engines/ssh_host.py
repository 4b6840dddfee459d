"""A machine that root may log in to: a privileged container with sshd, a key pair and an ssh configuration."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.engines.ssh import Connection, greets, parse
from noxlib.places import remote

from .conftest import settled, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_STARTED = 126  #: as docker exec ends for that
IMAGE = "noxlib-ssh-host"  # scripts/testbed/ssh-host makes it
#: Its name in the configuration: another one in each process of pytest-xdist, the same in all that this one starts.
_NAME = f"TEST_SSH_ALIAS_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
ALIAS = os.environ.setdefault(_NAME, f"noxlib-test-host-{secrets.token_hex(4)}")


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), capture_output=True, text=True, check=True).stdout.strip()


def inside(container: str, *argv: str, privileged: bool = False) -> subprocess.CompletedProcess[str]:
    """A command in a container, ended; again where a busy engine could not start it (126)."""
    words = ("docker", "exec", *(("--privileged",) if privileged else ()), container, *argv)
    for _ in range(10):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != NOT_STARTED:
            break
        time.sleep(0.5)
    return done


class Machine:
    """One such container, running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"noxlib-test-ssh-{secrets.token_hex(4)}"
        self.key = folder / "key"
        self.config = folder / "ssh_config"
        self.address = ""

    def start(self) -> Machine:
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)), check=True)
        docker("run", "-d", "--init", "--privileged", "--label", "noxlib.test=ssh", "--name", self.name, IMAGE)
        public = self.key.with_suffix(".pub").read_text()
        self.shell(f"umask 077; echo '{public.strip()}' >~/.ssh/authorized_keys")
        self.address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", self.name)
        self.config.write_text(
            f"Host {ALIAS}\n  HostName {self.address}\n  User root\n  IdentityFile {self.key}\n  IdentitiesOnly yes\n"
            f"  StrictHostKeyChecking no\n  UserKnownHostsFile {self.folder / 'known_hosts'}\n"
        )
        self.await_greeting()
        return self

    def await_greeting(self) -> None:
        """Wait for its SSH server's greeting; that the port can be connected to says nothing."""
        wait_until(lambda: greets(self.address, 22), "the greeting of an SSH server")

    def kill(self) -> None:
        docker("kill", self.name)

    def remove(self) -> None:
        docker("rm", "-f", "-v", self.name)

    def connection(self) -> Connection:
        return Connection(parse(ALIAS), config=self.config)

    def shell(self, script: str) -> str:
        """What a script prints there, asked for without ssh."""
        done = inside(self.name, "sh", "-c", script)
        done.check_returncode()
        return done.stdout.strip()


def listed(connection: Connection, part: str) -> tuple[str, ...]:
    """What lies there of noxlib's: of ``runs`` or of ``testgrounds``."""
    return tuple(connection.run(("ls", "-A", f"{remote.BASE}/{part}"), check=False).stdout.split())


def on_machine(run: str) -> list[str]:
    """What a run left there: its folder, and any process that a testground was entered for."""
    with Connection(parse(ALIAS)) as connection:
        names = listed(connection, "runs")
        return [name for name in names if run in name] + settled(lambda: _commands(connection))


def _commands(connection: Connection) -> list[str]:
    script = "for p in /proc/[0-9]*; do tr '\\0\\n' '  ' <$p/cmdline; echo; done 2>/dev/null"
    lines = connection.run(("sh", "-c", script), check=False).stdout.splitlines()
    return [line for line in lines if "supervise.py" in line or "time.sleep" in line]


def running(folder: Path) -> Iterator[Machine]:
    """For fixtures: a machine that is gone afterwards."""
    machine = Machine(folder)
    try:
        yield machine.start()
    finally:
        machine.remove()
