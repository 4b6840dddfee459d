"""The server of ``mock_ssh``: SFTP in threads of this process, on a port of 127.0.0.1, confined to a folder."""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Callable

import paramiko
from paramiko import sftp

if TYPE_CHECKING:
    from pathlib import Path

THREAD = "noxlib-storage-server"
LOG = "noxlib.storage"  #: where paramiko's own account of broken connections goes, which tests break on purpose
logging.getLogger(LOG).propagate = False
logging.getLogger(LOG).addHandler(logging.NullHandler())
PATIENCE = 60.0


def answered(operation: Callable[..., Any]) -> Callable[..., Any]:
    """What the system refuses is an answer of the protocol."""

    def answer(*args: Any) -> Any:
        try:
            found = operation(*args)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return sftp.SFTP_OK if found is None else found

    return answer


class Login(paramiko.ServerInterface):
    """Lets in who knows the password, to SFTP only."""

    def __init__(self, password: str) -> None:
        self.password = password

    def check_auth_password(self, _username: str, password: str) -> int:
        right = hmac.compare_digest(password.encode(), self.password.encode())
        return int(paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED)

    def get_allowed_auths(self, _username: str) -> str:
        return "password"

    def check_channel_request(self, kind: str, _chanid: int) -> int:
        known = kind == "session"
        refused = paramiko.common.OPEN_FAILED_UNKNOWN_CHANNEL_TYPE
        return int(paramiko.common.OPEN_SUCCEEDED if known else refused)


class Handler(paramiko.SFTPServer):
    """paramiko's, in a thread with a name of ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = THREAD


class Handle(paramiko.SFTPHandle):
    """An open file."""

    def __init__(self, descriptor: int, flags: int) -> None:
        super().__init__(flags)
        mode = {os.O_RDONLY: "rb", os.O_WRONLY: "wb", os.O_RDWR: "r+b"}[flags & os.O_ACCMODE]
        self.readfile = self.writefile = os.fdopen(descriptor, mode, 0)

    @answered
    def stat(self) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class Folder(paramiko.SFTPServerInterface):
    """A folder of this machine as the whole of what a client sees."""

    def __init__(self, server: Any, root: str) -> None:
        super().__init__(server)
        self.root = root

    def real(self, path: str) -> str:
        return self.root + str(self.canonicalize(path))

    @answered
    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
        with os.scandir(self.real(path)) as entries:
            return [
                paramiko.SFTPAttributes.from_stat(entry.stat(follow_symlinks=False), entry.name) for entry in entries
            ]

    @answered
    def stat(self, path: str) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.stat(self.real(path)))

    @answered
    def lstat(self, path: str) -> paramiko.SFTPAttributes:
        return paramiko.SFTPAttributes.from_stat(os.lstat(self.real(path)))

    @answered
    def open(self, path: str, flags: int, _attr: Any) -> Handle:
        return Handle(os.open(self.real(path), flags | os.O_CLOEXEC, 0o666), flags)

    @answered
    def remove(self, path: str) -> None:
        os.remove(self.real(path))

    @answered
    def rename(self, oldpath: str, newpath: str) -> None:
        if os.path.exists(self.real(newpath)):  # the protocol's own rename replaces nothing
            raise FileExistsError
        os.rename(self.real(oldpath), self.real(newpath))

    @answered
    def posix_rename(self, oldpath: str, newpath: str) -> None:
        os.replace(self.real(oldpath), self.real(newpath))

    @answered
    def mkdir(self, path: str, _attr: Any) -> None:
        os.mkdir(self.real(path))

    @answered
    def rmdir(self, path: str) -> None:
        os.rmdir(self.real(path))

    @answered
    def chattr(self, path: str, attr: Any) -> None:
        paramiko.SFTPServer.set_file_attr(self.real(path), attr)


class Server:
    """Listens until it is closed.

    Args:
        folder: What clients see.
        password: Of any user.
    """

    def __init__(self, folder: Path, password: str) -> None:
        self.folder, self.password = str(folder), password
        self.key = paramiko.ECDSAKey.generate()
        self.transports: list[paramiko.Transport] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, name=THREAD, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        """Take connections, until the listener is shut down."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(connection)
            transport.name = THREAD
            transport.set_log_channel(LOG)
            transport.add_server_key(self.key)
            transport.set_subsystem_handler("sftp", Handler, Folder, self.folder)
            self.transports = [*(one for one in self.transports if one.is_active()), transport]
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(event=threading.Event(), server=Login(self.password))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(PATIENCE)
        self.listener.close()
        for transport in self.transports:
            transport.close()
