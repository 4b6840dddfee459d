"""The backends ``ssh`` and ``mock_ssh``: SFTP by paramiko, as fsspec has it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from . import options, storage
from .storage_sftp_server import LOG, Server

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 60.0  # seconds for an answer
CHUNK = 1 << 20
TRANSPORT = "noxlib-storage"  #: name of a connection's thread


class SftpFileSystem(SFTPFileSystem):
    """fsspec's, by a connection that may lead through a proxy, and able to copy.

    Args:
        host: Name by which the server's key is known.
        address: Where to connect to.
        login: For paramiko: ``port``, ``username`` and so on.
    """

    cachable = False
    client: paramiko.SSHClient

    def __init__(self, host: str, address: tuple[str, int], **login: Any) -> None:
        self.address = address
        self.channels: dict[threading.Thread, paramiko.SFTPClient] = {}
        super().__init__(host, **login)

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.set_log_channel(LOG)
        self.client.load_system_host_keys()
        self.client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # one that is known and differs is refused
        waits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), PATIENCE)
        connection = socket.create_connection(self.address, PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each block waits for 40 ms
        try:
            self.client.connect(self.host, sock=connection, **waits, **self.ssh_kwargs)
            self.client.get_transport().name = TRANSPORT
        except BaseException:
            self.client.close()
            connection.close()
            raise

    @property
    def ftp(self) -> paramiko.SFTPClient:
        """A channel for each thread: paramiko's own is for one, and throws away what another waits for."""
        thread = threading.current_thread()
        if thread not in self.channels:
            for ended in [one for one in list(self.channels) if not one.is_alive()]:
                self.channels.pop(ended).close()
            channel = self.client.open_sftp()
            channel.get_channel().settimeout(PATIENCE)
            self.channels[thread] = channel
        return self.channels[thread]

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        if self.isdir(path1):
            self.makedirs(path2, exist_ok=True)
            return
        with self.ftp.open(path1, "rb") as source, self.ftp.open(path2, "wb") as target:
            source.prefetch()
            target.set_pipelined(True)
            shutil.copyfileobj(source, target, CHUNK)

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        super().mv(path1, path2)

    def close(self) -> None:
        """End the connection; it may be broken already."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self.client.close()


class Sftp(storage.Backend):
    """What both have in common: one connection at a time, through the proxy where there is one."""

    by_network = True
    broken = (OSError, EOFError, paramiko.SSHException)
    host: str
    port: int
    login: Mapping[str, Any]

    def connect(self) -> None:
        """Raises OSError and SSHException."""
        network = self.given.network
        if network is not None and self.proxy is None:
            self.proxy = network.proxy(self.host, self.port)
        address = self.proxy.address if self.proxy else (self.host, self.port)
        self.received = self.proxy.counts.received if self.proxy else 0
        self.filesystem = SftpFileSystem(self.host, address, port=self.port, **self.login)
        self.options = {"host": address[0], "port": address[1], **self.login}

    def begin(self) -> None:
        try:
            self.filesystem.ftp.stat(".")
        except Exception:  # noqa: BLE001 - a test that was ended in the middle of an exchange leaves any kind of broken
            self.reconnect()

    def reconnect(self) -> Any:
        self.filesystem.close()
        self.connect()
        return self.filesystem

    def cut_from(self) -> int:
        return self.proxy.counts.received - self.received if self.proxy else 0

    def url(self, path: str) -> str:
        return f"sftp://{self.options['host']}:{self.options['port']}{path}"

    def close(self) -> None:
        if hasattr(self, "filesystem"):
            self.filesystem.close()


class MockSsh(Sftp):
    """A server in this process, on a folder of this session."""

    name = "mock_ssh"
    host = "127.0.0.1"
    server: Server | None = None

    def start(self) -> None:
        password = options.Secret(secrets.token_urlsafe())
        self.server = Server(self.given.folder, password)
        self.port = self.server.port
        self.login = {"username": "noxlib", "password": password, "look_for_keys": False, "allow_agent": False}
        self.folder = "/storage"
        self.connect()

    def close(self) -> None:
        super().close()
        if self.server is not None:
            self.server.close()


class Ssh(Sftp):
    """A real one, given by ``--ssh-…``: a folder of this session in the user's home there."""

    name = "ssh"

    def start(self) -> None:
        if not self.given.option("ssh-host"):
            self.given.skip("no --ssh-host was given")
        found = self.given.request.getfixturevalue("noxlib_ssh")
        self.host, self.port = found["host"], found["port"]
        login = {"username": found["user"], "key_filename": found["key"], "password": found["password"]}
        self.login = {name: value for name, value in login.items() if value}
        only = "key_filename" in self.login or "password" in self.login  # a server counts what is tried in vain
        self.login.update(look_for_keys=not only, allow_agent=not only)
        where = f"{self.host}, port {self.port},"
        try:
            self.connect()
            self.folder = storage.claim(self.filesystem, self.filesystem.ftp.normalize("."))
        except paramiko.AuthenticationException:
            todo = "correct --ssh-user, --ssh-key or --ssh-password"
            raise storage.Refused(f"{where} lets user {self.login.get('username')} not in", todo) from None
        except self.broken as error:
            todo = "look whether it is up, and correct --ssh-host or --ssh-port"
            raise storage.Refused(f"{where} cannot be used by SFTP: {error}", todo) from None

    def close(self) -> None:
        if hasattr(self, "folder"):
            with contextlib.suppress(FileNotFoundError):
                self.filesystem.rm(self.folder, recursive=True)
        super().close()
