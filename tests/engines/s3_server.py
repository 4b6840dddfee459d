"""An S3 server with real signatures (versitygw) over a folder, as somebody else's would be."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .conftest import wait_until
from .registries import free_port, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, SECRET, BUCKET = "research", "only-for-tests-9Wq4", "results"


class S3Server:
    """One such process, with one bucket."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "buckets" / BUCKET
        self.bucket.mkdir(parents=True)
        (folder / "attributes").mkdir()
        (folder / "secret").write_text(SECRET)
        self.folder, self.port = folder, free_port()
        argv = [tool("versitygw"), "--quiet", "--port", f"127.0.0.1:{self.port}", "posix"]
        argv += ["--sidecar", str(folder / "attributes"), str(folder / "buckets")]
        environment = {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
        wait_until(self.answers, "versitygw")

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 30).close()
            return True
        return False

    @property
    def options(self) -> list[str]:
        where = [f"--s3-endpoint=http://127.0.0.1:{self.port}", f"--s3-bucket={BUCKET}"]
        return [*where, f"--s3-key={KEY}", f"--s3-secret=file:{self.folder / 'secret'}"]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def running(folder: Path) -> Iterator[S3Server]:
    """For fixtures: a server that is gone afterwards."""
    server = S3Server(folder)
    try:
        yield server
    finally:
        server.kill()
