"""Virtual machines by QEMU: the words of its command line, and a machine from its start to its end."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Optional

import msgspec

from noxlib.engines import golden, groups, ssh
from noxlib.engines.qmp import Qmp
from noxlib.errors import EngineError
from noxlib.owner import identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Self

    from noxlib.engines.golden import Golden

Accelerator = Literal["kvm", "tcg"]
PROGRAM = "qemu-system-x86_64"
MARK = "NOXLIB_VM"  #: variable of a machine's processes: the name of its folder
#: Of the disk with the testground, the same for each, so that saved RAM fits whichever is put in later.
GROUND_SIZE = "16G"
BOOT_SECONDS = 300.0  #: until an SSH server greets; 5 on an idle machine
RESUME_SECONDS = 30.0  #: the same from saved RAM; 2 on an idle machine
_PAUSE = 0.02  # seconds between two looks
_WORDS = (
    "console=ttyS0 quiet loglevel=0 panic=-1 mitigations=off no_timer_check tsc=reliable cryptomgr.notests "
    "random.trust_cpu=on noxlib.guest"
)


class Shape(msgspec.Struct, frozen=True):
    """What saved RAM fits: a machine of the very same shape."""

    accelerator: Accelerator
    cpus: int = 2
    memory: int = 512  #: MiB
    rung: Literal["qemu", "vmtest"] = "qemu"  #: vmtest gives a machine other devices


class Files(msgspec.Struct, frozen=True):
    """The files of one machine. Nothing but the disks and the logs is left of it once it ends."""

    folder: Path  #: disks and logs
    sockets: Path  #: a folder with a short name: a socket's path has at most 107 bytes

    @property
    def root(self) -> Path:
        return self.folder / "root.qcow2"

    @property
    def ground(self) -> Path:
        return self.folder / "ground.qcow2"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def log(self) -> Path:
        return self.folder / "qemu.log"

    @property
    def qmp(self) -> Path:
        return self.sockets / "qmp"


def argv(made: Golden, shape: Shape, files: Files, *, incoming: Optional[Path] = None) -> list[str]:
    """QEMU's command line for a machine that is reached by SSH. Pure.

    Args:
        made: The golden image.
        shape: Accelerator, CPUs and memory.
        files: The machine's own files.
        incoming: Saved RAM to go on from.
    """
    return [
        *(PROGRAM, "-nodefaults", "-display", "none"),
        *common(made, shape),
        *("-drive", disk(files.root), "-drive", disk(files.ground)),
        *devices(),
        *("-serial", f"file:{option(files.console)}"),
        *monitor(files),
        *(("-incoming", incoming_from(incoming)) if incoming else ()),
    ]


def common(made: Golden, shape: Shape) -> list[str]:
    """The words that machines of both rungs share: machine, CPU, memory, kernel."""
    fast = ("-accel", "kvm", "-cpu", "host")
    # Nehalem is x86-64-v2, which wheels of today are built for; QEMU's own default is older.
    slow = ("-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Nehalem")
    return [
        *("-no-reboot", "-machine", "pc", *(fast if shape.accelerator == "kvm" else slow)),
        *("-smp", str(shape.cpus), "-m", f"{shape.memory}M"),
        *("-kernel", str(made.kernel), "-initrd", str(made.initramfs), "-append", _WORDS),
    ]


def devices() -> list[str]:
    """The words, again of both rungs, for network, random numbers, and the sign that RAM was saved."""
    return [
        *("-netdev", "user,id=n0,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci"),
        *("-device", "vmgenid,guid=auto"),
    ]


def monitor(files: Files) -> list[str]:
    """The words, again of both rungs, for a socket by which QEMU itself is asked and heard."""
    return ["-qmp", f"unix:{option(files.qmp)},server=on,wait=off"]


def disk(path: Path, *, cache: str = "unsafe") -> str:
    """A drive's option. Nobody reads an overlay after a crash: what is written need not be on the disk at once."""
    return f"file={option(path)},format=qcow2,if=virtio,cache={cache},werror=report"


def option(path: Path) -> str:
    """A path in an option of QEMU's, where a comma ends a value unless it is doubled."""
    return str(path).replace(",", ",,")


def incoming_from(state: Path) -> str:
    """Where a machine takes its saved RAM from; the shell that QEMU starts sees a quoted path."""
    import shlex  # noqa: PLC0415 - only where RAM is saved

    return f"exec:cat {shlex.quote(str(state))}"


def overlay(base: Path, path: Path) -> None:
    """Make a disk that holds what differs from ``base``, which stays as it is. Raises EngineError."""
    golden.tool(("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(path)))


def version() -> str:
    """QEMU's own version. Raises EngineError where there is no QEMU."""
    return golden.tool((PROGRAM, "--version"), timeout=60).split("\n", 1)[0]


def fingerprint(made: Golden, shape: Shape) -> str:
    """The key of saved RAM: the golden image as it was made this time, QEMU, and the machine's whole shape."""
    here = identity().boot.partition(".")[0] if shape.accelerator == "kvm" else ""  # the guest has this machine's CPU
    known = (made.key, made.host_key, version(), here, repr(shape), *common(made, shape), GROUND_SIZE)
    text = "\0".join(known)
    return f"ram-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def spawn(words: Sequence[str], folder: Path, log: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program that is killed where this process is; in a session of its own: Ctrl-C is not for a guest.

    Args:
        words: The program and its arguments.
        folder: Its working directory.
        log: File for all that it prints.
        environment: Its variables beside PATH.

    Raises:
        EngineError: There is no setpriv, which ties the two together.
    """
    with log.open("wb") as stream:
        try:
            return subprocess.Popen(
                ("setpriv", "--pdeathsig", "KILL", "--", *words),
                cwd=folder,
                env={"PATH": os.environ.get("PATH", os.defpath), **environment},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError("the program 'setpriv' is not on PATH", "apt-get install util-linux") from error


class Machine:
    """One machine that runs: entering starts it, leaving kills it and all that it started."""

    def __init__(self, words: list[str], files: Files, name: str) -> None:
        self._words = words
        self._files = files
        self._name = name
        self._process: Optional[subprocess.Popen[bytes]] = None

    def __enter__(self) -> Self:
        self._process = spawn(self._words, self._files.folder, self._files.log, {MARK: self._name})
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            groups.end(self._process)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def qmp(self, seconds: float = 60.0) -> Qmp:
        """A connection to QEMU itself. Raises EngineError."""
        deadline = time.monotonic() + seconds
        while self.alive and not self._files.qmp.exists() and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        self._must_live()
        return Qmp(self._files.qmp, deadline)

    def await_ssh(self, port: int, seconds: float) -> None:
        """Wait for an SSH server's greeting; that a port can be connected to says nothing.

        Raises:
            EngineError: The machine ends, or does not greet within ``seconds``.
        """
        deadline = time.monotonic() + seconds
        # QEMU takes the connection before the guest does, which then answers, or lets it wait and drops it.
        while not ssh.greets("127.0.0.1", port, max(0.1, min(5.0, deadline - time.monotonic()))):
            self._must_live()
            if time.monotonic() >= deadline:
                raise EngineError(f"the machine did not boot within {seconds:g} s", self.last_words())
            time.sleep(_PAUSE)

    def _must_live(self) -> None:
        if not self.alive:
            raise EngineError("QEMU ended before the machine was up", self.last_words(), cause="lost")

    def last_words(self) -> str:
        """The last that QEMU, else the guest's console, told; it goes with the machine's folder."""
        said = last_line(self._files.log) or last_line(self._files.console)
        if said:
            return f"it said: {said}"
        return "it said nothing; is this machine very busy? NOXLIB_ACCELERATOR=tcg takes the slow and sure way"


def last_line(path: Path) -> str:
    """The last line of a log that says anything; empty where there is none."""
    if not path.exists():
        return ""
    told = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()]
    return told[-1][:300] if told else ""
