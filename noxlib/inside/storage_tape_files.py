"""The backend ``mock_tape``: files in a folder, of which the model in ``storage_tape.py`` says where they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fsspec.implementations.local import LocalFileSystem

from . import storage_tape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class TapeFileSystem(LocalFileSystem):
    """What is read is recalled first; what is written is on disk, and no longer what the tape holds."""

    protocol = "noxlib-tape"
    cachable = False

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = self._strip_protocol(folder)
        self.library = storage_tape.Library()

    def key(self, path: Any) -> str:
        """A file's name in the library; one outside of the folder has its whole path, which is unknown there."""
        return str(self._strip_protocol(path).removeprefix(f"{self.folder}/"))

    def info(self, path: Any, **kwargs: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().info(path, **kwargs)
        if found["type"] == "file":
            found["state"] = self.library.state(self.key(found["name"]))
        return found

    def _open(self, path: Any, mode: str = "rb", **kwargs: Any) -> Any:
        if "w" not in mode:
            self.library.wait(self.key(path))
        opened = super()._open(path, mode, **kwargs)
        if mode != "rb":
            self.library.forget(self.key(path))
        return opened

    def cp_file(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        self.library.wait(self.key(path1))
        super().cp_file(path1, path2, **kwargs)
        self.library.forget(self.key(path2))

    def get_file(self, path1: Any, path2: Any, callback: Any = None, **kwargs: Any) -> None:
        self.library.wait(self.key(path1))
        super().get_file(path1, path2, callback=callback, **kwargs)

    def mv(self, path1: Any, path2: Any, **kwargs: Any) -> None:
        super().mv(path1, path2, **kwargs)
        self.library.rename(self.key(path1), self.key(path2))

    def rm_file(self, path: Any) -> None:
        super().rm_file(path)
        self.library.forget(self.key(path))

    def rm(self, path: Any, recursive: bool = False, maxdepth: Any = None) -> None:
        super().rm(path, recursive=recursive, maxdepth=maxdepth)
        for one in path if isinstance(path, list) else [path]:
            self.library.forget(self.key(one))

    def touch(self, path: Any, truncate: bool = True, **kwargs: Any) -> None:
        super().touch(path, truncate=truncate, **kwargs)
        if truncate:
            self.library.forget(self.key(path))


class Tape:
    """What a test may do to the library: ``storage.tape``. Paths are the storage's own."""

    def __init__(self, filesystem: TapeFileSystem) -> None:
        self._filesystem = filesystem
        self.library = filesystem.library

    def archive(self, *paths: str) -> None:
        """Have files, and all files below folders, on tape only: in this order, and by name below a folder."""
        for path in self._files(paths):
            self.library.archive(path, self._filesystem.size(f"{self._filesystem.folder}/{path}"))

    def recall(self, *paths: str) -> float:
        """Ask for files in this order without waiting; the time of ``storage.clock`` at which the last one is there."""
        return max((self.library.recall(path) for path in self._files(paths)), default=self.library.clock.now)

    def order(self, *paths: str) -> list[str]:
        """The files as they stand on the tapes, which is the order in which to ask for them."""
        return self.library.order(self._files(paths))

    def state(self, path: str) -> str:
        """``online``, ``recalling``, ``nearline`` or ``offline``."""
        return self.library.state(self._key(path))

    def add_cartridge(self) -> str:
        """An empty tape, which takes what is archived from now on; its name."""
        return self.library.add_cartridge()

    @contextlib.contextmanager
    def away(self, *cartridges: str) -> Iterator[None]:
        """Tapes, all of them where none is named, lie on a shelf outside of the library: what is on them is offline."""
        taken = [one for one in self.library.cartridges if one.here and (one.name in cartridges or not cartridges)]
        for one in taken:
            one.here = False
        try:
            yield
        finally:
            for one in taken:
                one.here = True

    def _key(self, path: str) -> str:
        return path.strip("/")

    def _files(self, paths: Iterable[str]) -> list[str]:
        found: list[str] = []
        for path in paths:
            below = self._filesystem.find(f"{self._filesystem.folder}/{self._key(path)}")
            if not below:
                raise FileNotFoundError(path)
            found += map(self._filesystem.key, below)
        return found
