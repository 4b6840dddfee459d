"""Tars as an engine gives an image's files, made of a few of them."""

from __future__ import annotations

import io
import tarfile
from typing import Any


def tar(files: dict[str, Any], *, mtime: float = 0.0, start: str = "/") -> list[bytes]:
    """Of names and contents: bytes are a file, text is what a link leads to, None is a folder. In small pieces."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{start}{name}")
            member.mtime, member.mode = int(mtime), 0o644
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
            else:
                member.size = len(content)
            made.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    data = buffer.getvalue()
    return [data[at : at + 700] for at in range(0, len(data), 700)]
