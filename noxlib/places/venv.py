"""The place ``venv``: a virtual environment of this machine, made of the same lock, over a copy of the checkout."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib import atomic
from noxlib.engines import strays
from noxlib.engines.process import stream
from noxlib.errors import PlaceError
from noxlib.ledger import Ledger
from noxlib.places import box, carry, mirror, shared_data
from noxlib.places.files import INSIDE, copy
from noxlib.places.host import Command, Exit, Facts
from noxlib.places.limits import confess

if TYPE_CHECKING:
    from typing_extensions import Self

    from noxlib.places.slots import Slot

MARK = "NOXLIB_RUN"  #: in the environment of everything that a run starts

#: What the tests see of the caller's own environment; a container sees none of the rest either.
KEPT = (
    *("PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)


class Venv:
    """Host in a virtual environment. Entering brings the workspace up to date; leaving kills what still runs.

    Args:
        slot: The workspace, taken for this run; leaving releases it.
        environment: The virtual environment (``noxlib.places.environments.make``).
        run_id: Name of the run.
        checkout: The code under test; it is only read.
        run_folder: The run's folder, ``scratch`` on the host.
        prepared_site: Folder of site-packages entries made by the project's build.
        prepared_tree: Files made by the build that are laid over the checkout.
        ledger: Where what we start is written down.
    """

    name = "venv"
    facts = Facts()

    def __init__(
        self,
        slot: Slot,
        environment: Path,
        *,
        run_id: str,
        checkout: Path,
        run_folder: Path,
        prepared_site: Optional[Path] = None,
        prepared_tree: Optional[Path] = None,
        ledger: Optional[Ledger] = None,
    ) -> None:
        self.workspace = str(slot.workspace)
        self.python = str(environment / "bin" / "python")
        self.inside = str(slot.folder / "lib")
        self.scratch = str(run_folder)
        self._slot = slot
        self._bin = environment / "bin"
        self._run_id = run_id
        self._checkout = checkout
        self._prepared_site = prepared_site
        self._prepared_tree = prepared_tree
        self._ledger = ledger or Ledger()
        self._before: mirror.Snapshot = {}

    def __enter__(self) -> Self:
        try:
            self._before = mirror.sync(self._checkout, self._slot.workspace, self._prepared_tree)
            atomic.remove_tree(self._slot.home)
            self._slot.home.mkdir()
            self._slot.empty.mkdir(exist_ok=True)
            _link(self._slot.folder / "lib" / "noxlib_inside", INSIDE)
            _link(self._slot.site, self._prepared_site or self._slot.empty)
            Path(self.scratch).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._slot.release()
            raise PlaceError(
                f"the workspace cannot be made: {error.filename}: {error.strerror}",
                f"see that the checkout can be read and {self._slot.folder} be written",
            ) from error
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._slot.release()

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder."""
        copy(source, Path(self.scratch) / target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        found = Path(self.scratch) / source
        if found.exists():
            copy(found, target)

    def run(self, command: Command) -> Exit:
        """Run a command; nothing of it is left when this returns or raises. Time and memory alone are limited.

        Raises:
            EngineError: The program cannot be started.
        """
        limiter = _limiter(command.limits.memory)
        confess(self.name, command.limits, kept=("memory",) if limiter else ())
        mark = f"{self._run_id}-{secrets.token_hex(4)}"
        entry = self._ledger.add("process", mark)
        try:
            ended = stream(
                (*limiter, *command.argv),
                cwd=Path(command.cwd or self.workspace),
                env={**self._environment(terminal=command.terminal), **command.environment, MARK: mark},
                log=command.log,
                echo=command.echo,
                timeout=command.limits.timeout,
                terminal=command.terminal,
                secrets=command.secrets,
            )
        finally:
            strays.kill_marked(MARK, mark)
            self._ledger.strike(entry)
        return Exit(ended.code, ended.cause)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them."""
        after = mirror.snapshot(self._slot.workspace, everything=True)
        changed = [name for name, mark in after.items() if self._before.get(name) != mark]
        wanted = [name for name in changed if carry.matches(name, (*carry.ALWAYS, *patterns))]
        gone = [name for name in self._before if name not in after and carry.matches(name, patterns)]
        written = carry.carry(((name, self._slot.workspace / name) for name in wanted), checkout)
        return (*written, *carry.remove(gone, checkout))

    def _environment(self, *, terminal: bool) -> dict[str, str]:
        names = (*KEPT, "TERM") if terminal else KEPT
        kept = {name: os.environ[name] for name in names if name in os.environ}
        user = box.user_name(os.getuid())  # getpass fails for a uid without an account
        return {
            **kept,
            "PATH": os.pathsep.join((f"{self._slot.site}/bin", str(self._bin), kept.get("PATH", os.defpath))),
            "HOME": str(self._slot.home),
            "USER": user,
            "LOGNAME": user,
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            shared_data.VARIABLE: str(shared_data.lent()),
        }


def _limiter(memory: Optional[int]) -> tuple[str, ...]:
    """The words before a command that limit the memory of each of its processes; none where nothing can (macOS).

    RLIMIT_DATA: what a process may write to of its own; RLIMIT_AS would count what is mapped and never touched as well.
    """
    program = shutil.which("prlimit")
    return (program, f"--data={memory}", "--") if memory and program else ()


def _link(link: Path, to: Path) -> None:
    """Point a link at something, in one step."""
    if link.is_symlink() and link.readlink() == to:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(to)
    beside.replace(link)
