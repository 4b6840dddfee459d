"""vmtest at work: output as it comes by the share, Ctrl-C, and the end of the machine once its guest is done."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Optional

from noxlib.engines import groups, qemu, vmtest
from noxlib.engines.output import Output
from noxlib.engines.process import GRACE, STOP_SECONDS
from noxlib.engines.qmp import Qmp
from noxlib.errors import Cancelled, EngineError
from noxlib.places import tars

if TYPE_CHECKING:
    from typing_extensions import Self

    from noxlib.engines.qemu import Files
    from noxlib.places.host import Command
    from noxlib.places.share import Share

SYNC_SECONDS = 20.0  #: for a guest that is done to write its disk; one whose disk is full may never
_PAUSE = 0.05  # seconds between two looks at the share


class NotUp(Exception):
    """The guest did not come as far as the share."""


class Watched:
    """One run of vmtest. Entering starts it; leaving kills it and QEMU, whatever state they are in."""

    def __init__(self, share: Share, files: Files, command: Command) -> None:
        self._share = share
        self._files = files
        self._command = command
        self._stack = contextlib.ExitStack()
        self._monitor: Optional[Qmp] = None
        self.lacked_space = False  #: once it has been left: a disk of the guest's could not be written here

    def __enter__(self) -> Self:
        command = self._command
        with contextlib.ExitStack() as stack:
            # Opened before there is a guest, which could put a link there.
            self._source = stack.enter_context((self._share.folder / "output").open("rb", buffering=0))
            self._output = stack.enter_context(Output(command.log, echo=command.echo, secrets=command.secrets))
            self._process = vmtest.start(self._share.folder, self._files, self._files.folder.name)
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def await_guest(self, deadline: float) -> None:
        """Wait until the guest has found the share. Raises NotUp."""
        while not self._share.has("machine"):
            self._listen()
            over = self._process.poll() is not None or time.monotonic() >= deadline
            if over and not self._share.has("machine"):  # nor has it come just now, and ended since
                raise NotUp(qemu.last_line(self._files.log) or "vmtest said nothing")
            time.sleep(_PAUSE)
        self._listen()  # the guest may have been faster than the first look

    def pass_on(self, seconds: float) -> None:
        """Pass on the command's output until the guest is done, vmtest ends or the time is over."""
        try:
            self._until_done("done", seconds)
            if self._share.has("done"):
                self._until_done("synced", SYNC_SECONDS)
        except (KeyboardInterrupt, Cancelled):
            with contextlib.suppress(KeyboardInterrupt):  # the first one is raised again
                self._share.stop(STOP_SECONDS)
                self._until_done("done", STOP_SECONDS + GRACE)
            raise

    def _listen(self) -> None:
        """Hear what QEMU tells as soon as its socket is there: it does not tell it twice."""
        if self._monitor is None and self._files.qmp.exists():
            with contextlib.suppress(EngineError):  # not yet; or it has ended, which is seen
                self._monitor = Qmp(self._files.qmp, time.monotonic())

    def _until_done(self, word: str, seconds: float) -> None:
        """The program itself looks seldom, up to 5 s late: the guest's own word counts."""
        deadline = time.monotonic() + seconds
        while not self._share.has(word) and self._process.poll() is None and time.monotonic() < deadline:
            self._copy()
            time.sleep(_PAUSE)

    def _copy(self) -> None:
        while chunk := self._source.read(tars.CHUNK):
            self._output.write(chunk)

    def _end(self) -> None:
        """Killed alone, vmtest would leave QEMU behind."""
        groups.end(self._process)
        if self._monitor is not None:
            with self._monitor:
                self.lacked_space = self._monitor.lacked_space()
        vmtest.remove_sockets(self._files.folder)
        self._copy()
