"""What the fixture ``storage`` gives: a file system of fsspec in a folder of the test's own, which can fail."""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.spec import AbstractFileSystem

from . import storage_faults
from .storage_tape_files import Tape, TapeFileSystem

if TYPE_CHECKING:
    from .storage import Backend


class Storage(DirFileSystem):
    """A file system of fsspec whose paths are relative to the test's folder.

    Attributes:
        backend: Name of the backend: ``file``, ``mock_ssh``, ``ssh``, ``s3`` or ``mock_tape``.
        broken: What a client of this backend raises where its network or its server is broken, for ``pytest.raises``.
        appends: Whether a file can be opened to append.
        url: The test's folder for ``fsspec.open`` and its like, beside ``options``.
        options: What ``fsspec.filesystem`` needs to reach the same; secrets are in it.
        proxy: The proxy of ``network`` before the backend, where there is one.
    """

    cachable = False

    def __init__(self, backend: Backend, folder: str) -> None:
        super().__init__(path=f"{backend.folder}/{folder}", fs=backend.filesystem)
        self._backend = backend
        self.backend, self.broken, self.appends = backend.name, backend.broken, backend.appends
        self.proxy = backend.proxy
        self.url, self.options = backend.url(self.path), backend.options
        self.fault: storage_faults.Fault | None = None
        self._restore = contextlib.ExitStack()
        self._pause: Callable[[float], object] = time.sleep
        if isinstance(self.fs, TapeFileSystem):
            self.tape, self.clock = Tape(self.fs), self.fs.library.clock
            self._pause = self.clock.advance

    def fail(self, kind: str, **values: Any) -> contextlib.AbstractContextManager[Any]:
        """Let the storage fail from now on; in a ``with`` statement until its end, else until the test's.

        Args:
            kind: ``down``, ``slow``, ``cut``, ``denied``, ``full``, ``quota``, or ``offline`` (tapes of ``mock_tape``).
            values: ``latency`` of ``slow``, in seconds; ``after`` how many bytes ``cut``, ``full`` and ``quota`` come.

        Raises ValueError for what there is not. Skips the test where the fault is a network's and the environment has
        no network simulation.
        """
        fault = storage_faults.fault(kind, values)
        made = contextlib.ExitStack()
        if kind == "offline":
            if not hasattr(self, "tape"):
                raise ValueError(f"the backend {self.backend} has no tapes that could be offline")
            made.enter_context(self.tape.away())
        elif self._backend.by_network and kind in storage_faults.NETWORK:
            made.enter_context(self._network(fault))
        else:
            before, self.fault = self.fault, fault
            made.callback(setattr, self, "fault", before)
        self._restore.callback(made.close)
        return made

    def restore(self) -> None:
        """Let all be as it was before the first fault."""
        self._restore.close()

    @contextlib.contextmanager
    def _network(self, fault: storage_faults.Fault) -> Any:
        if self.proxy is None:
            pytest.skip(f"environment {self._backend.environment['name']} has network_simulation = false")
        faults: dict[str, dict[str, Any]] = {"down": {"refuse": True}, "slow": {"latency": fault.latency}}
        if fault.kind == "cut":
            faults["cut"] = {"cut_at": self._backend.cut_from() + fault.after}
        with self.proxy.use(**faults[fault.kind]):
            yield
        self.fs = self._backend.reconnect()  # what was connected is not any more, or has answers on the way

    def _join(self, path: Any) -> Any:
        if isinstance(path, str) and ".." in path.split("/"):
            raise ValueError(f"{path!r} leads out of the test's folder")
        return super()._join(path)

    def open(self, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        self._meet("open", path)
        opened = super().open(path, mode, *args, **kwargs)
        fault = self.fault
        return storage_faults.Counted(opened, fault, path) if fault is not None and fault.counted else opened

    def _meet(self, operation: str, path: Any) -> None:
        if self.fault is not None:
            self.fault.meet(operation, path if isinstance(path, str) else "", self._pause)


def _failing(name: str) -> Callable[..., Any]:
    """An operation of DirFileSystem that meets the fault of now first.

    While a counted one holds, contents go through ``open``: fsspec's general way, in which bytes can be counted.
    """
    own = getattr(DirFileSystem, name)
    general = getattr(AbstractFileSystem, name)

    @functools.wraps(own)
    def operation(self: Storage, path: Any, *args: Any, **kwargs: Any) -> Any:
        self._meet(name, path)
        counted = self.fault is not None and self.fault.counted
        by_open = counted and name in storage_faults.READING | storage_faults.WRITING
        return (general if by_open else own)(self, path, *args, **kwargs)

    return operation


for _name in storage_faults.READING | storage_faults.WRITING | storage_faults.CHANGING | storage_faults.LOOKING:
    if _name in vars(DirFileSystem):
        setattr(Storage, _name, _failing(_name))
