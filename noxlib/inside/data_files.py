"""What the fixture ``test_data`` gives: paths of data that are made once, whoever asks."""

from __future__ import annotations

import os
import posixpath
import re
import urllib.parse
from pathlib import Path
from typing import Any

from . import data, data_cache
from .data_cache import DataError
from .faults import is_number

HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
MARK = b"noxlib"  # at the beginning, in the middle and at the end of a sparse file


class TestData:
    """Data in the cache are everybody's: read them, and copy what a test is to change. Paths are ``pathlib.Path``.

    Each method raises ValueError for sizes that make no sense, and DataError where the disk or the network refuses.
    """

    __test__ = False  # the name begins with Test, pytest need not look

    def __init__(self, folder: str | None = None) -> None:
        self.cache = data_cache.Cache(folder or data_cache.default())

    def archive(
        self, mb: float = 10, files: int = 100, *, form: str = "tar.gz", compressible: bool = False, seed: int = 0
    ) -> Path:
        """A ``.tar.gz``, or a ``tar``, of so many files that come to so many MB (of 2**20 bytes)."""
        return self.make(data.wanted(form, mb, files, compressible=compressible, seed=seed))

    def files(self, mb: float = 10, files: int = 100, *, compressible: bool = False, seed: int = 0) -> Path:
        """A folder with the same files."""
        return self.make(data.wanted("files", mb, files, compressible=compressible, seed=seed))

    def netcdf(self, mb: float = 1, *, compressible: bool = False, seed: int = 0) -> Path:
        """One NetCDF file of that size, with a temperature on time, lat and lon."""
        return self.make(data.wanted("nc", mb, compressible=compressible, seed=seed))

    def make(self, what: data.Wanted) -> Path:
        """What ``data.wanted`` describes."""

        def build(folder: str) -> None:
            data.make(what, os.path.join(folder, what.name))

        return Path(self.cache.make(what.key, build), what.name)

    def sparse(self, path: str | os.PathLike[str], gb: float) -> Path:
        """A new file of that size (in GB of 2**30 bytes) that takes next to no space on disk.

        All of it but three marks, at its beginning, middle and end, is zero. It belongs to the test: give a path in
        ``tmp_path``.

        Raises:
            ValueError: There is no such size.
            DataError: The disk refuses.
        """
        if not is_number(gb) or not 0 < gb <= data.LARGEST / 1024:
            raise ValueError(f"the size must be a number of GB above 0, found {gb!r}")
        size = max(3 * len(MARK), int(gb * (1 << 30)))
        with self.cache.explained(), open(path, "xb") as stream:
            stream.truncate(size)
            for at in (0, size // 2, size - len(MARK)):
                stream.seek(at)
                stream.write(MARK)
        return Path(path)

    def remote(self, url: str, known_hash: str) -> Path:
        """A file of the network, fetched by pooch once, and never taken where its SHA-256 is another.

        Raises:
            ValueError: ``known_hash`` is no SHA-256.
            DataError: pooch is missing, the file is another, or it cannot be fetched or kept.
        """
        match = HASH.fullmatch(known_hash)
        if match is None:
            raise ValueError(f"a remote file needs its SHA-256 in hexadecimal, found {known_hash!r}")
        try:
            import pooch  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - an extra
        except ImportError as error:
            todo = "add pooch, or noxlib[data], to what the tests depend on"
            raise DataError(f"{url} cannot be fetched: pooch is not installed here", todo) from error
        name = re.sub(r"[^A-Za-z0-9._-]", "-", posixpath.basename(urllib.parse.urlsplit(url).path)).strip(".") or "file"

        def fetch(folder: str) -> None:
            self._fetch(pooch, url, f"sha256:{match[1]}", folder, name)

        return Path(self.cache.make(f"remote-{match[1]}-{name.lower()[-60:]}", fetch), name)

    def _fetch(self, pooch: Any, url: str, known_hash: str, folder: str, name: str) -> None:
        try:
            pooch.retrieve(url, known_hash=known_hash, fname=name, path=folder)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in data_cache.FULL:
                raise
            what = f"{url} cannot be fetched: {' '.join(str(error).split())[:300]}"
            raise DataError(what, "look whether it is there, and what its SHA-256 is now") from error
