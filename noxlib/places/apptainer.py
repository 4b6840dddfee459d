"""The place ``apptainer``: a testground as SIF on a node of a Slurm cluster, as an ordinary user of its login node.

Each command is a step of Slurm's own, so that whatever ends it ends all that it started.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

from noxlib.engines.slurm import CLEAN, Slurm, told
from noxlib.engines.ssh import Connection, Target
from noxlib.errors import EngineError, PlaceError
from noxlib.places import box, remote, trust, unanswered
from noxlib.places.host import Facts
from noxlib.places.ssh import SSHHost

if TYPE_CHECKING:
    from typing_extensions import Self

    from noxlib.ledger import Entry
    from noxlib.places.host import Command

KIND = "node-folder"  #: in the ledger
NEEDED = ("srun", "tar")
FOLDER = ".noxlib/hosts"  #: below the shared home


class Apptainer(SSHHost):
    """Host over a connection to a login node.

    Args:
        connection: To the login node.
        sif: Makes the testground's SIF present in the shared home; gives its path.
        known_hosts: Where the login node's key is kept; default: noxlib's own file.
        options: More words for srun: a partition, an account.
        **others: As of ``SSHHost``.
    """

    kept = ()

    def __init__(
        self,
        connection: Connection,
        sif: Callable[[Connection], str],
        *,
        known_hosts: Optional[Path] = None,
        options: tuple[str, ...] = (),
        **others: Any,
    ) -> None:
        super().__init__(connection, sif, name="apptainer", **others)
        self._known_hosts = known_hosts
        self._options = options
        self._job = f"noxlib-host-{secrets.token_hex(6)}"

    def __enter__(self) -> Self:
        try:
            self.connection.open()
            seen = remote.look(self.connection, NEEDED)
            _check(self.connection, seen)
            self.facts = Facts(machine=remote.machine(self.connection, seen))
            self._rootfs = self._rootfs_of(self.connection)
            home, user = told(self.connection, ("sh", "-c", "cd && pwd -P && id -un"), 2)
            self._environment.update(USER=user, LOGNAME=user)
            self._folder = f"{home}/{FOLDER}/{self._folder.rpartition('/')[2]}"
            self._entry = self._ledger.add(KIND, f"{self.connection.target}:{self._folder}", details=self._details())
            self._make()
        except BaseException:
            self._leave()
            raise
        return self

    def _details(self) -> dict[str, str]:
        own = {"known_hosts": str(self._known_hosts or ""), "folder": self._folder, "job": self._job}
        return {**self.connection.target.details(), **own}

    def _variables(self, command: Command) -> dict[str, str]:
        """The whole environment of a command; the image's own name no user of the cluster."""
        own = self._environment
        who = {name: own[name] for name in ("USER", "LOGNAME")}
        terminal = {"TERM": os.environ.get("TERM", "xterm")} if command.terminal else {}
        return {
            **own,
            **box.environment(own, os.getuid()),
            **trust.variables(),
            **who,
            **terminal,
            **command.environment,
        }

    def _enter(self, command: Command, order: str) -> tuple[str, ...]:
        work = f"{self._folder}/work-{secrets.token_hex(4)}"
        self.connection.run(("mkdir", "-p", work))
        binds = (f"{self._folder}/workspace:{box.WORKSPACE}", f"{self._folder}/run:{box.RUN}")
        fixed = (f"{self._folder}/lib:{box.LIB}:ro", f"{self._folder}/site:{box.SITE}:ro")
        step = ("--nodes=1", "--ntasks=1", "--quiet", "--unbuffered", f"--job-name={self._job}")
        shown = ("--pty",) if command.terminal else ()
        inside = ("--containall", "--no-home", "--scratch", box.HOME, "--workdir", work, "--pwd", box.WORKSPACE)
        program = (self.python, "-I", "-S", "-B", f"{box.LIB}/noxlib_inside/supervise.py", order)
        apptainer = ("apptainer", "--quiet", "exec", *inside, "--bind", ",".join((*binds, *fixed)), self._rootfs)
        return ("sh", "-c", CLEAN, "sh", "srun", *step, *shown, *self._options, *apptainer, *program)

    def _remove_folder(self) -> None:
        _remove(self.connection, self._folder, self._job)


def _check(connection: Connection, seen: remote.Seen) -> None:
    if seen.missing:
        what = f"{connection.target} lacks {', '.join(seen.missing)}"
        raise PlaceError(what, "name a login node of a Slurm cluster")


def _remove(connection: Connection, folder: str, job: str) -> None:
    """End what still runs, then remove the folder. Raises NoxlibError."""
    if f"/{FOLDER}/" not in folder or ".." in folder:
        raise EngineError(f"{folder!r} is no folder of noxlib's", "remove it by hand if it is yours")
    Slurm(connection).cancel_named(job)
    script = 'for wait in 0.2 0.5 1 2 5; do rm -rf -- "$1" 2>/dev/null && exit; sleep $wait; done; exec rm -rf -- "$1"'
    connection.run(("sh", "-c", script, "rm", folder))


def remove_noted(entry: Entry, state: Path) -> bool:
    """Remove what a dead run left, if the login node answers; for ``noxlib.ledger.reap``.

    Raises:
        NoxlibError: The login node does not answer, or refuses.
    """
    known = entry.details
    target = Target.of(known)
    hosts = Path(known["known_hosts"]) if known["known_hosts"] else None

    def act() -> None:
        with Connection(target, known_hosts=hosts, seconds=unanswered.REAP_SECONDS) as connection:
            _remove(connection, known["folder"], known["job"])

    return unanswered.remove(entry, state, str(target), act)
