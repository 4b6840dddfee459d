"""The place ``ssh``: a testground entered by chroot on a machine that root may log in to."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, Optional

from noxlib import atomic
from noxlib.engines import ssh_errors
from noxlib.engines.process import last_line, stream
from noxlib.errors import EngineError, NoxlibError
from noxlib.ledger import Ledger
from noxlib.places import box, remote, supervised, tars, trust
from noxlib.places.files import INSIDE
from noxlib.places.host import Command, Exit, Facts
from noxlib.places.limits import confess
from noxlib.places.sent import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from typing_extensions import Self

    from noxlib.engines.ssh import Connection
    from noxlib.ledger import Entry

ENTER = Path(__file__).with_name("enter.sh")
SEND_SECONDS = 600.0  #: for a checkout on its way
_MAKE = """umask 077; mkdir -p "$1" && cd "$1" && mkdir "$2" && cd "$2" && mkdir -m 755 workspace site lib run root &&
exec tar -xpf - --numeric-owner"""
_PACK = """cd "$1" 2>/dev/null && { test -e "$2" || test -L "$2"; } || exec tar -cf - -T /dev/null
exec tar -cf - -- "$2\""""


class SSHHost:
    """Host over one connection.

    Entering sends the checkout; each ``run`` has a file system of its own; leaving removes all but the testground,
    which the next run finds.

    Args:
        connection: To the machine; opened on entering and closed on leaving, unless it was open before the host was
            made: then it is the caller's, or with ``closing`` the host's all the same.
        rootfs: Makes the testground's file system present there; gives its folder.
        run_id: Name of the run.
        checkout: The code under test; it is only read.
        run_folder: The run's folder on this machine.
        environment: The image's own variables.
        platform: What the image is built for, ``linux/amd64``; empty: not looked at.
        prepared_site: Folder of site-packages entries made by the project's build.
        prepared_tree: Files made by the build that are laid over the checkout.
        python: The testground's interpreter in the file system.
        ledger: Where what we start is written down.
        keep: Leave the run's folder there, and say where it is.
        name: Of the place, where this is a part of another one.
    """

    workspace = box.WORKSPACE
    inside = box.LIB
    scratch = box.RUN
    kept: tuple[str, ...] = ("network", "shm_size", "devices")  #: the limits that it keeps beside the time

    def __init__(
        self,
        connection: Connection,
        rootfs: Callable[[Connection], str],
        *,
        run_id: str,
        checkout: Path,
        run_folder: Path,
        environment: Optional[Mapping[str, str]] = None,
        platform: str = "",
        prepared_site: Optional[Path] = None,
        prepared_tree: Optional[Path] = None,
        python: str = box.PYTHON,
        ledger: Optional[Ledger] = None,
        keep: bool = False,
        name: str = "ssh",
        closing: bool = False,
    ) -> None:
        self.name = name
        self.python = python
        self.facts = Facts()
        self.connection = connection
        self._rootfs_of = rootfs
        self._rootfs = ""
        self._run_folder = run_folder.absolute()
        self._environment = dict(environment or {})
        self._platform = platform
        self._site = prepared_site
        self._sent = Sent(checkout, prepared_tree)
        self._ledger = ledger or Ledger()
        self._keep = keep
        self._closing = closing or not connection.alive
        self._folder = f"{remote.BASE}/runs/{_folder_name(run_id)}"
        self._entry: Optional[Entry] = None

    def __enter__(self) -> Self:
        try:
            self.connection.open()
            seen = remote.look(self.connection)
            self.facts = Facts(machine=remote.machine(self.connection, seen))
            remote.check(self.connection, seen, self._platform)
            self._rootfs = self._rootfs_of(self.connection)
            self._entry = remote.note(self._ledger, self.connection, self._folder)
            self._make()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if exc_info and exc_info[0] is not None and self.connection.alive:
            self._save_result()
        self._leave()

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder there."""
        with tars.pack(tars.folder(target, source), 0, 0) as tar:
            self._send(("tar", "-C", f"{self._folder}/run", "-xpf", "-", "--numeric-owner"), tar)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        tars.unpack(self._tar(f"{self._folder}/run/{source}"), target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._sent.write_back(patterns, checkout, lambda root: self._tar(f"{self._folder}/workspace/{root}"))

    def run(self, command: Command) -> Exit:
        """Run a command in a mount and pid namespace of its own; nothing of it is left when this returns or raises.

        Ctrl-C stops it gently (TERM, 10 s for it to write its result; a second one cuts that short), and is raised
        again.

        Raises:
            PlaceError: The connection was lost.
            EngineError: The machine refuses what a testground needs.
        """
        confess(self.name, command.limits, kept=self.kept)
        token = secrets.token_hex(4)
        self._give_order(token, command)
        argv = self._enter(command, f"{self.scratch}/order-{token}.json")
        if command.terminal:
            shown = stream(
                self.connection.argv(argv, terminal=True), log=command.log, terminal=True, secrets=command.secrets
            )
            return self._exit(token, shown.code, "")
        code, said = supervised.follow(self.connection, argv, command)
        return self._exit(token, code, said)

    def _make(self) -> None:
        parent, _, name = self._folder.rpartition("/")
        with tars.pack(self._files(), 0, 0) as tar:
            self._send(("sh", "-c", _MAKE, "make", parent, name), tar)

    def _files(self) -> Iterator[tuple[str, Path]]:
        yield from ((f"workspace/{name}", path) for name, path in self._sent.files())
        yield from tars.folder("lib/noxlib_inside", INSIDE)
        yield from trust.files()
        if self._site is not None:
            yield from tars.folder("site", self._site)

    def _give_order(self, token: str, command: Command) -> None:
        loopback = not command.limits.network and "network" in self.kept
        given = supervised.order(
            command, self._variables(command), f"{self.scratch}/exit-{token}.json", loopback=loopback
        )
        with tempfile.TemporaryFile() as stream_:
            stream_.write(given)
            stream_.seek(0)
            path = f"{self._folder}/run/order-{token}.json"
            self._send(("sh", "-c", 'umask 077; cat >"$1"', "order", path), stream_)

    def _variables(self, command: Command) -> dict[str, str]:
        terminal = {"TERM": os.environ.get("TERM", "xterm")} if command.terminal else {}
        return {**box.environment(self._environment, 0), **trust.variables(), **terminal, **command.environment}

    def _enter(self, command: Command, order: str) -> tuple[str, ...]:
        network = () if command.limits.network else ("--net",)
        shm = "" if command.limits.shm_size is None else f",size={command.limits.shm_size}"
        path = box.environment(self._environment, 0)["PATH"]
        script = ("sh", "-c", ENTER.read_text(encoding="utf-8"), "enter")
        given = (self._rootfs, self._folder, shm, self.python, path, order)
        return ("unshare", "--mount", "--pid", "--fork", "--kill-child", *network, *script, *given)

    def _exit(self, token: str, code: int, said: str) -> Exit:
        """How the command ended, by the supervisor's own word: ssh's exit code may be the transport's."""
        path = f"{self._folder}/run/exit-{token}.json"
        told = self.connection.run(("cat", path), check=False)
        try:
            return atomic.from_json(told.stdout.encode(), Exit)
        except ValueError as error:
            if code == supervised.LOST:
                raise ssh_errors.lost(self.connection.target, said) from error
            if code == supervised.NO_ROOM:
                raise ssh_errors.full(self.connection.target) from error
            reason = last_line(said, f"it ended with {code} and left no word")
            what = f"the testground cannot be entered on {self.connection.target}: {reason}"
            raise EngineError(what, "the machine needs overlay and tmpfs, and root must be free to mount") from error

    def _tar(self, path: str) -> Iterable[bytes]:
        folder, _, name = path.rstrip("/").rpartition("/")
        return self.connection.fetch(("sh", "-c", _PACK, "pack", folder, name))

    def _send(self, argv: tuple[str, ...], tar: IO[bytes]) -> None:
        self.connection.run(argv, stdin=tar, timeout=SEND_SECONDS)

    def _save_result(self) -> None:
        """What the tests have written so far, when an exception ends the run."""
        try:
            self.get("result", self._run_folder / "result")
        except (NoxlibError, OSError) as error:
            print(f"noxlib: the result stays on {self.connection.target}: {str(error).splitlines()[0]}", flush=True)

    def _leave(self) -> None:
        try:
            self._remove()
        except NoxlibError as error:  # the ledger keeps it for the next start
            print(
                f"noxlib: {self.connection.target}:{self._folder} is left for `nox -s reap`: {error.what}", flush=True
            )
        finally:
            if self._closing:
                self.connection.close()

    def _remove(self) -> None:
        if self._entry is None:
            return
        if self._keep:
            print(f"noxlib: kept, and yours to remove: {self.connection.target}:{self._folder}", flush=True)
        else:
            self._remove_folder()
        self._ledger.strike(self._entry)
        self._entry = None

    def _remove_folder(self) -> None:
        remote.remove(self.connection, self._folder)


def _folder_name(run_id: str) -> str:
    return f"{box.safe(run_id).lstrip('.-')}-{secrets.token_hex(3)}"
