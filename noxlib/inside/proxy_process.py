"""The process of the proxies: commands come in by standard input, a JSON object a line, and each is answered by one.

It is a process of its own since a thread in the tests' process would make each ``fork()`` there raise a warning (Python
3.12), and would share the interpreter's lock with the tests. It ends when its standard input does, or its parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import selectors
import signal
import sys
from typing import TYPE_CHECKING, Any

from . import faults
from .proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Coroutine

LOOK = 1.0  # seconds between two looks whether the parent lives: its forked children hold our input open


class Precise(selectors.DefaultSelector):
    """epoll waits for whole milliseconds, rounded up; here it is waited for by microseconds."""

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)


class Process:
    """The proxies by their number, and the commands."""

    def __init__(self) -> None:
        self.proxies: dict[int, Proxy] = {}
        self.opened = 0
        self.rest = b""

    async def run(self) -> None:
        """Carry commands out, one after the other, until there are no more."""
        loop = asyncio.get_running_loop()
        self.commands: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()  # of this loop, in Python 3.9
        loop.add_reader(0, self.read)
        watching = loop.create_task(self.watch(os.getppid()))
        while True:
            command = await self.commands.get()
            if command is None:
                break
            sys.stdout.write(json.dumps(await self.answer(command)) + "\n")
            sys.stdout.flush()
        watching.cancel()
        await asyncio.gather(*(proxy.close() for proxy in self.proxies.values()))

    def read(self) -> None:
        """Take in what standard input has: whole lines are commands, its end is the last of them."""
        data = os.read(0, 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.commands.put_nowait(json.loads(line))
        if not data:
            asyncio.get_running_loop().remove_reader(0)
            self.commands.put_nowait(None)

    async def watch(self, parent: int) -> None:
        while os.getppid() == parent:  # noqa: ASYNC110 - the kernel has no event for it
            await asyncio.sleep(LOOK)
        self.commands.put_nowait(None)

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.carry_out(**command)
        except (OSError, ValueError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    async def carry_out(self, do: str, proxy: int = 0, **values: Any) -> dict[str, Any]:
        """``open`` a proxy, or have the one of a number ``use`` faults, ``close`` or tell of itself. Raises OSError."""
        if do == "open":
            listen = values.get("listen", ("127.0.0.1", 0))
            made = Proxy((values["host"], values["port"]), values["seed"], (listen[0], listen[1]))
            self.opened += 1
            self.proxies[self.opened] = made
            return {"proxy": self.opened, "port": made.port}
        if do == "use":
            self.proxies[proxy].use(faults.from_json(values["turns"]))
            await asyncio.sleep(0)  # connections that end by it do so first
        elif do == "close":
            await self.proxies.pop(proxy).close()
            return {}
        return self.proxies[proxy].describe()


def main() -> None:
    """Run until standard input ends; Ctrl-C is for the tests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    complete(Process().run())


def complete(running: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, with a clock that is precise enough for faults."""
    loop = asyncio.SelectorEventLoop(Precise() if hasattr(Precise, "fileno") else None)
    try:
        loop.run_until_complete(running)
    finally:
        loop.close()
