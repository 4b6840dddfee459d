"""Unpacks an editable wheel as an installer does (binary distribution format, PEP 376, PEP 610)."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import json
import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

SHEBANG_LIMIT = 127
SCRIPT = """\
import sys
from {module} import {first}

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe") if hasattr(str, "removesuffix") else sys.argv[0]
    sys.exit({attribute}())
"""


def unpack(file: Path, site: Path) -> Path:
    """Unpack a wheel into ``site`` (its scripts into ``site/bin``); give the dist-info folder.

    Raises ValueError if a member would land outside of ``site``.
    """
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            target = target_of(member.filename, site)
            if target is None or member.is_dir():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
            if member.external_attr >> 16 & stat.S_IXUSR or target.parent == site / "bin":
                target.chmod(0o755)
        name = next(entry.split("/")[0] for entry in archive.namelist() if entry.split("/")[0].endswith(".dist-info"))
    return site / name


def target_of(member: str, site: Path) -> Path | None:
    """Where a member of a wheel goes; None for schemes that a testground has no place for (headers, data).

    Raises:
        ValueError: It would lie outside of ``site``.
    """
    parts = PurePosixPath(member).parts
    if ".." in parts or PurePosixPath(member).is_absolute():
        raise ValueError(f"the wheel holds a path that leads out of it: {member!r}")
    if not parts[0].endswith(".data"):
        return site.joinpath(*parts)
    scheme = parts[1] if len(parts) > 1 else ""
    if scheme in ("purelib", "platlib"):
        return site.joinpath(*parts[2:])
    return site.joinpath("bin", *parts[2:]) if scheme == "scripts" else None


def adopt(dist_info: Path, site: Path, workspace: Path) -> Path:
    """Stand in for an editable wheel: the metadata, and the sources' folder on the path."""
    target = site / dist_info.name
    shutil.copytree(dist_info, target, dirs_exist_ok=True)
    source = workspace / "src"
    name = dist_info.name.split("-")[0]
    (site / f"__editable__.{name}.pth").write_text(f"{source if source.is_dir() else workspace}\n", encoding="utf-8")
    return target


def write_scripts(site: Path, dist_info: Path, python: str) -> None:
    """Write the console scripts of entry_points.txt, and give the wheel's own scripts their interpreter."""
    scripts = site / "bin"
    for script in sorted(scripts.iterdir()) if scripts.is_dir() else ():
        first, _, rest = script.read_bytes().partition(b"\n")
        if first.startswith(b"#!python"):
            script.write_bytes(shebang(python).encode() + rest)
    for name, value in entry_points(dist_info):
        module, _, attribute = value.partition(":")
        scripts.mkdir(exist_ok=True)
        body = SCRIPT.format(module=module, first=attribute.split(".")[0], attribute=attribute)
        (scripts / Path(name).name).write_text(shebang(python) + body, encoding="utf-8")
        (scripts / Path(name).name).chmod(0o755)


def entry_points(dist_info: Path) -> list[tuple[str, str]]:
    """Name and ``module:attribute`` of each console and GUI script, extras cut off."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read(dist_info / "entry_points.txt", encoding="utf-8")
    sections = [section for section in ("console_scripts", "gui_scripts") if parser.has_section(section)]
    found = [(name, value.split("[")[0].strip()) for section in sections for name, value in parser.items(section)]
    return [(name, value) for name, value in found if ":" in value]


def shebang(python: str) -> str:
    """The script's first line; the kernel takes neither spaces nor long ones, so sh stands in (as pip's scripts do)."""
    if " " not in python and len(python) + 3 <= SHEBANG_LIMIT:
        return f"#!{python}\n"
    quoted = python.replace('"', r"\"")
    return f"#!/bin/sh\n'''exec' \"{quoted}\" \"$0\" \"$@\"\n' '''\n"


def finish(site: Path, dist_info: Path, workspace: Path) -> None:
    """Write INSTALLER, direct_url.json (editable, as pip has it) and a RECORD of all that is there."""
    (dist_info / "INSTALLER").write_text("noxlib\n", encoding="utf-8")
    origin = {"url": workspace.as_uri(), "dir_info": {"editable": True}}
    (dist_info / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    record = dist_info / "RECORD"
    files = sorted(path for path in site.rglob("*") if path.is_file() and path != record)
    with record.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerows([(_name(path, site), f"sha256={_digest(path)}", path.stat().st_size) for path in files])
        rows.writerow((_name(record, site), "", ""))


def _name(path: Path, site: Path) -> str:
    return os.path.relpath(path, site).replace(os.sep, "/")


def _digest(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
