"""The proxies of one service of a stack, in a container before it that all others take for the service.

What it is told, by variables: ``NOXLIB_FAULTS``, JSON of ``listen``, the address that its sockets are bound to,
``ends``, for each port the service's own host and port, and ``control``, the port for commands. A connection there
begins with a line that holds the token of ``NOXLIB_FAULTS_TOKEN``; then come the commands of ``proxy_process.py``. One
that says that it is a session's holds the faults: with its first line they are none and the counts zero, and with its
end they are none again, so that nothing before the tests or after them meets faults, whatever ends the tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
from typing import Any

from .faults import Schedule
from .proxy_process import Process, complete

SETTINGS, TOKEN = "NOXLIB_FAULTS", "NOXLIB_FAULTS_TOKEN"
READY = "ready"  #: what it prints once it listens


class Sidecar(Process):
    """The proxies, and who may command them."""

    def __init__(self, settings: dict[str, Any], token: str) -> None:
        super().__init__()
        self.settings, self.token = settings, token
        self.session: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Listen, and serve for ever."""
        listen = self.settings["listen"]
        for port, (host, there) in self.settings["ends"].items():
            await self.carry_out("open", host=host, port=there, seed=0, listen=(listen, int(port)))
        server = await asyncio.start_server(self.served, listen, self.settings["control"])
        print(READY, flush=True)
        async with server:
            await server.serve_forever()

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection for commands."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # it has gone, or speaks something else
            first = json.loads(await reader.readline())
            if hmac.compare_digest(str(first["token"]).encode(), self.token.encode()):
                await (self.hold(reader, writer) if first.get("session") else self.obey(reader, writer))
        writer.close()

    async def obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for line in reader:
            writer.write(json.dumps(await self.answer(json.loads(line))).encode() + b"\n")
            await writer.drain()

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A session, until its end or until another one begins."""
        self.session = writer
        self.renew()
        try:
            writer.write(b"{}\n")
            await reader.read()
        finally:
            if self.session is writer:
                self.renew()

    def renew(self) -> None:
        """No faults, and nothing counted yet."""
        for proxy in self.proxies.values():
            proxy.use(Schedule())
            proxy.counts = dict.fromkeys(proxy.counts, 0)


def main() -> None:
    """Run until it is ended."""
    complete(Sidecar(json.loads(os.environ[SETTINGS]), os.environ[TOKEN]).run())
