"""The process of a sidecar, as it runs in a container before a service with faults; here on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

TOKEN = "correct-horse"
Told = dict[str, Any]  #: what the tests are told of it


def loopback() -> str:
    """An address of this machine at which no other process takes ports: all of 127.0.0.0/8 is the loopback."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 16) % 254}.{(pid >> 8) % 256}.{pid % 256}"


@contextlib.contextmanager
def running(host: str, ends: dict[str, tuple[str, int]], **faults: float) -> Iterator[Told]:
    """A sidecar at an address of the loopback, before ends by the ports at which it listens; its session's faults.

    The address is to be this process' own (``loopback``): a port is free there until it is taken.
    """
    with socket.create_server((host, 0)) as taken:
        control = taken.getsockname()[1]
    settings = {"listen": host, "ends": ends, "control": control}
    variables = {"NOXLIB_FAULTS": json.dumps(settings), "NOXLIB_FAULTS_TOKEN": TOKEN}
    argv = [sys.executable, "-c", "from noxlib.inside.proxy_sidecar import main; main()"]
    with subprocess.Popen(argv, env={**os.environ, **variables}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            told = {"control": [host, control], "token": TOKEN, "ports": [int(port) for port in ends]}
            yield {**told, "faults": ["good", faults], "asked": ",".join(faults)}
        finally:
            process.kill()
