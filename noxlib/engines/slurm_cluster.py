"""The simulated cluster: Slurm, Apptainer and sshd in containers, brought up by docker compose."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib.engines import compose, process
from noxlib.engines.ssh_target import Target
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger, state_folder

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker

KIND = "simulation"  #: in the ledger
TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "slurm"
OF_IMAGE = ("Dockerfile", "entrypoint", "slurm.conf", "slurmdbd.conf", "cgroup.conf", "sshd.conf")
UP_SECONDS = 300  #: 15 at a load of 8 on two cores
KEPT = 7 * 24 * 3600.0  #: seconds after which a cluster that nobody took down is removed
USER = "hpc"


class Simulation:
    """The one simulated cluster of a state folder; up until it is taken down, or forgotten for a week.

    Args:
        docker: The engine.
        state: The state folder; default: this user's.
    """

    def __init__(self, docker: Docker, state: Optional[Path] = None) -> None:
        self.docker = docker
        self._folder = (state or state_folder()) / "simulation"
        self.project = f"noxlib-slurm-{hashlib.sha256(os.fsencode(self._folder)).hexdigest()[:8]}"
        self._ledger = Ledger(state)

    @property
    def image(self) -> str:
        """The image's name: by the content of what it is built from."""
        digest = hashlib.sha256(b"".join((TEMPLATES / name).read_bytes() for name in OF_IMAGE)).hexdigest()
        return f"noxlib-slurm:{digest[:16]}"

    @property
    def known_hosts(self) -> Path:
        return self._folder / "known_hosts"

    def build(self) -> bool:
        """Build the image if it is not there; whether it had to be. Raises BuildError, EngineError."""
        if self.docker.image(self.image) is not None:
            return False
        from noxlib.engines import builder  # noqa: PLC0415 - brings the builder

        log = state_folder() / "builds" / "slurm.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"noxlib: building the image of the simulated cluster (log: {log})", flush=True)
        builder.build(builder.Build(TEMPLATES, TEMPLATES / "Dockerfile", (self.image,), log), self.docker)
        return True

    def up(self) -> float:
        """Bring the cluster up, or what of it is down; seconds until its nodes took jobs.

        Raises:
            EngineError: It did not come up; nothing of it is left.
        """
        began = time.monotonic()
        there = self.exists()
        entry = None if there else self._ledger.add(KIND, self.project, details=self._details())
        try:
            self._compose("up", "--detach", "--wait", f"--wait-timeout={UP_SECONDS}")
        except BaseException:
            if entry is not None:
                self.down()
            raise
        if entry is not None:
            self.known_hosts.unlink(missing_ok=True)  # a new cluster has new keys
            self._ledger.add(KIND, self.project, details=self._details(), expires=time.time() + KEPT, detached=True)
            self._ledger.strike(entry)
        return time.monotonic() - began

    def down(self) -> bool:
        """Remove the cluster and all that was on it; whether there was one. Raises EngineError."""
        there = self.exists()
        compose.remove(self.docker, self.project)
        self.known_hosts.unlink(missing_ok=True)
        for entry in self._ledger.entries():
            if entry.kind == KIND and entry.name == self.project:
                self._ledger.strike(entry)
        return there

    def exists(self) -> bool:
        return bool(self.docker.containers({compose.PROJECT: self.project}))

    def target(self) -> Target:
        """Whom ssh is to reach. Raises PlaceError where the cluster is not up."""
        port = self._port()
        if port is None:
            raise PlaceError("the simulated cluster is not up", "nox -s hpc_simulation")
        return Target("127.0.0.1", USER, port, str(self._key()))

    def container(self, service: str) -> str:
        """Name of a member's container: ``login``, ``controller``, ``accounting``, ``c1`` to ``c3``."""
        return f"{self.project}-{service}-1"

    def _port(self) -> Optional[int]:
        found = self.docker.inspect(self.container("login"))
        if found is None or not found["State"]["Running"]:
            return None
        published = found["NetworkSettings"]["Ports"].get("22/tcp") or ()
        return int(published[0]["HostPort"]) if published else None

    def _details(self) -> dict[str, str]:
        return {"endpoint": str(self.docker.endpoint)}

    def _key(self) -> Path:
        key = self._folder / "id_ed25519"
        if not key.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            argv = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "noxlib simulation", "-f", str(key))
            process.run(argv, check=True, timeout=30)
        return key

    def _compose(self, *words: str) -> None:
        public = self._key().with_suffix(".pub").read_text(encoding="ascii").strip()
        argv = compose.Compose(self.docker, (TEMPLATES / "compose.yml",), self.project).argv(*words)
        own = {"NOXLIB_SLURM_IMAGE": self.image, "AUTHORIZED_KEY": public, compose.MARK: self.project}
        done = process.run(argv, env={**self.docker.command_environment(), **own}, timeout=UP_SECONDS + 60)
        if done.returncode != 0:
            said = process.last_line(done.stderr, f"compose ended with {done.returncode}")
            raise EngineError(
                f"the simulated cluster did not come up: {said}",
                f"run this again; what is still there of it tells more: docker compose -p {self.project} logs",
            )
