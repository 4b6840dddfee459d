"""The backend ``s3``: a real server by s3fs, that of ``--s3-…`` or versitygw, started here."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import botocore.exceptions
import s3fs

from . import options, storage
from .registered import Registered

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "versitygw"
BUCKET = "noxlib"
REGION = "us-east-1"
PATIENCE = 60.0
TRIES = 3  # a port that was free may be somebody's a moment later
ONCE = {"retries": {"max_attempts": 1}, "s3": {"addressing_style": "path"}}  # s3fs itself tries again


class S3(storage.Backend):
    """A folder of this session in a bucket."""

    name = "s3"
    by_network = True
    appends = False  # s3fs reads the whole and writes it again, where it does
    broken = (OSError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, aiohttp.ClientError)
    server: Server | None = None
    endpoint: str | None
    bucket: str

    def start(self) -> None:
        given = self.given
        self.bucket, self.endpoint = given.option("s3-bucket"), given.option("s3-endpoint")
        self.key, self.secret = given.option("s3-key"), given.secret("s3-secret")
        if self.endpoint and not self.bucket:
            raise storage.Refused(f"--s3-endpoint {self.endpoint} was given without a bucket", "add --s3-bucket NAME")
        if not self.bucket:
            self.start_server()
        try:
            self.connect()
            self.filesystem.ls(self.bucket)
            self.folder = storage.claim(self.filesystem, self.bucket)
        except (*self.broken, ValueError) as error:  # which is what botocore has for an endpoint that is no URL
            what = f"the bucket {self.bucket} of {self.endpoint or 'AWS'} cannot be used: {error}"
            todo = "look whether it is there, and correct --s3-endpoint, --s3-bucket, --s3-key or --s3-secret"
            raise storage.Refused(what, todo) from None

    def start_server(self) -> None:
        """Our own, where its program is at hand; else the test is skipped."""
        program = shutil.which(PROGRAM)
        if program is None:
            self.given.skip(f"no --s3-bucket was given, and there is no program {PROGRAM}")
        self.server = Server(str(program), self.given.folder)
        self.bucket, self.endpoint = BUCKET, self.server.endpoint
        self.key, self.secret = self.server.key, self.server.secret

    def connect(self) -> None:
        """A client; it connects when it is asked for something."""
        endpoint, network = self.endpoint, self.given.network
        if network is not None and endpoint:
            address = urlsplit(endpoint)
            secure = address.scheme == "https"  # its certificate is for its own name
            port = address.port or (443 if secure else 80)
            self.proxy = network.proxy(str(address.hostname), port, redirect=secure)
            endpoint = endpoint if secure else f"http://{self.proxy.host}:{self.proxy.port}"
        self.options = {
            "key": self.key,
            "secret": self.secret,
            "endpoint_url": endpoint,
            "client_kwargs": {"region_name": REGION} if self.server else {},
            "config_kwargs": ONCE,
        }
        self.filesystem = s3fs.S3FileSystem(**self.options, use_listings_cache=False, skip_instance_cache=True)
        self.reconnect()

    def reconnect(self) -> Any:
        self.filesystem.connect(refresh=True)
        self.filesystem.s3.meta.events.register("before-send.s3", give_whole)
        return self.filesystem

    def cut_from(self) -> int:
        self.reconnect()  # each connection of the new session begins at 0
        return 0

    def url(self, path: str) -> str:
        return f"s3://{path}"

    def close(self) -> None:
        if hasattr(self, "folder") and self.server is None:
            with contextlib.suppress(FileNotFoundError):
                self.filesystem.rm(self.folder, recursive=True)
        if self.server is not None:
            self.server.close()


def give_whole(request: Any, **_: object) -> None:
    """Before a request is sent: its body is bytes, and no file.

    Where a connection breaks, aiohttp sends the request again by itself. Of a file, versions before August 2026 (and so
    all that Python 3.9 has) send only what was not read yet, nothing: server and client wait for each other until the
    client's time for an answer is over, 15 s, and that ten times. https://github.com/aio-libs/aiohttp/issues/13329
    """
    if isinstance(request.body, io.BytesIO):
        request.body = request.body.getvalue()


class Server:
    """versitygw over a folder; it ends with the session, and after a kill -9 with the next one's start."""

    def __init__(self, program: str, folder: Path) -> None:
        self.key, self.secret = "noxlib", options.Secret(secrets.token_hex(20))
        self.registered = Registered(name="s3")
        self.log = folder / "versitygw.log"
        for part in (f"buckets/{BUCKET}", "attributes"):
            (folder / part).mkdir(parents=True)
        for _ in range(TRIES):
            if self.start(program, folder):
                return
        last = self.log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it says nothing"]
        raise storage.Refused(f"{program} does not start: {last[0]}", f"see {self.log}")

    def start(self, program: str, folder: Path) -> bool:
        """Whether it answers at a free port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        argv = [program, "--quiet", "--region", REGION, "--port", f"127.0.0.1:{port}"]
        argv += ["posix", "--sidecar", str(folder / "attributes"), str(folder / "buckets")]
        environment = {**os.environ, "ROOT_ACCESS_KEY": self.key, "ROOT_SECRET_KEY": self.secret}
        with self.log.open("wb") as log:
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True)
        self.registered.process(process)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), PATIENCE).close()
                return True
            time.sleep(0.02)
        return False

    def close(self) -> None:
        self.registered.clean()
