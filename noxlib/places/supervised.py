"""A command under ``inside/supervise.py`` on a machine that ssh reaches: output, deadline, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import select
import tempfile
import time
from typing import TYPE_CHECKING, Any

from noxlib.engines import ssh_errors
from noxlib.engines.output import Output
from noxlib.engines.process import GRACE, STOP_SECONDS
from noxlib.errors import Cancelled
from noxlib.places import box

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxlib.engines.ssh import Connection
    from noxlib.places.host import Command

CHUNK = 64 * 1024
LOST = 255  #: ssh's own exit code where it has no other
NO_ROOM = 73  #: the supervisor's own where it cannot write how the command ended, for the disk is full
MARGIN = 30.0  #: seconds that the far side gets beyond its own deadlines before it counts as lost


def order(command: Command, environment: Mapping[str, str], exit_file: str, *, loopback: bool) -> bytes:
    """The order for ``inside/supervise.py`` beside a caller who follows it: a file for its owner's eyes alone."""
    return json.dumps(
        {
            "argv": command.argv,
            "environment": dict(environment),
            "cwd": command.cwd or box.WORKSPACE,
            "timeout": command.limits.timeout,
            "exit": exit_file,
            "watch": True,
            "terminal": command.terminal,
            "loopback": loopback,
        }
    ).encode()


def follow(connection: Connection, argv: Sequence[str], command: Command) -> tuple[int, str]:
    """Run it and pass on its output; the exit code of ssh, and what was said beside the command's own output.

    The far side keeps the deadline. Ours comes later, for a machine that stopped answering. While this runs, the
    command's supervisor holds our pipe; when that closes, whatever the reason, it ends the command.

    Raises:
        PlaceError: The connection was lost.
    """
    with (
        tempfile.TemporaryFile() as errors,
        Output(command.log, echo=command.echo, secrets=command.secrets) as output,
        connection.start(argv, errors=errors) as process,
    ):
        try:
            ended = _copy(process, output, command.limits.timeout + GRACE + MARGIN)
        except (KeyboardInterrupt, Cancelled):
            with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):  # the first one is raised again
                process.stdin.write(b"stop %d\n" % STOP_SECONDS)
                process.stdin.flush()
                _copy(process, output, STOP_SECONDS + GRACE)
            raise
        code = process.wait() if ended else LOST
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
        if not ended or not connection.alive:
            raise ssh_errors.lost(connection.target, said)
        return int(code), said


def _copy(process: Any, output: Output, seconds: float) -> bool:
    """Copy until the output ends (True) or the time is over (False)."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN | select.POLLHUP)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        if poll.poll(left * 1000):
            chunk = os.read(process.stdout.fileno(), CHUNK)
            if not chunk:
                return True
            output.write(chunk)
