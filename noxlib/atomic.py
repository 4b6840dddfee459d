"""Files that appear whole or not at all, JSON that holds any file name, folders that go away whatever their modes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_PRIVATE = 0o600  # what mkstemp gives


def write(
    path: Path,
    data: bytes | Iterable[bytes],
    *,
    mode: int = _PRIVATE,
    prefix: str = ".tmp-",
    folder: Path | None = None,
) -> None:
    """Write ``data``, whole or in parts, to ``path`` by a temporary file and one rename. Raises OSError.

    The temporary file lies beside it, unless another ``folder`` of the same file system is given.
    """
    handle, temporary = tempfile.mkstemp(prefix=prefix, dir=folder or path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines((data,) if isinstance(data, bytes) else data)
        if mode != _PRIVATE:
            Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            error.filename = str(path)  # the system's call knows none, and the user has to know which disk is full
        Path(temporary).unlink()
        raise


def to_json(value: Any, *, indent: int | None = None) -> bytes:
    """Encode structs; lone surrogates, which file names may hold, are escaped (msgspec's own encoder refuses them)."""
    return json.dumps(msgspec.to_builtins(value), indent=indent).encode() + b"\n"


def from_json(data: bytes, type_: type[T]) -> T:
    """Decode and check types. Raises ValueError, never another exception."""
    try:
        return msgspec.convert(json.loads(data), type_)
    except msgspec.MsgspecError as error:  # no ValueError before msgspec 0.21
        raise ValueError(str(error)) from error
    except RecursionError as error:  # thousands of nested brackets
        raise ValueError("too deeply nested") from error


def remove_tree(path: Path) -> None:
    """Remove a folder with all it holds, also folders without write permission. Raises OSError; absent is fine."""
    _make_writable(path)
    for folder, names, _ in os.walk(path):
        for name in names:
            _make_writable(Path(folder, name))
    while os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):  # somebody else removes it too; go on with what is left
            shutil.rmtree(path)


def _make_writable(folder: Path) -> None:
    """Give the owner rwx on a real folder: without it its entries can be neither listed nor removed."""
    with contextlib.suppress(FileNotFoundError):  # somebody else removes it too
        mode = folder.lstat().st_mode
        if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(mode | stat.S_IRWXU)
