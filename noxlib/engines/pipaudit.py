"""pip-audit, started by uv: known vulnerabilities of pinned packages. That it cannot be reached is no failure."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec

from noxlib import temporary
from noxlib.engines import offline, process, uv
from noxlib.engines.index import ca_bundle, index_environment
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TOOL = "pip-audit>=2.7"
_SECONDS = 300.0
_PER_REQUEST = 15


class Vulnerability(msgspec.Struct, frozen=True):
    """One that is known of a package in this version."""

    package: str
    version: str
    id: str  #: ``PYSEC-…``, ``GHSA-…``, ``CVE-…``
    fixed: tuple[str, ...] = ()


class Audit(msgspec.Struct, frozen=True):
    """What is known. ``unknown`` says why nothing is; ``skipped`` are packages of which nothing could be asked."""

    found: tuple[Vulnerability, ...] = ()
    skipped: tuple[str, ...] = ()
    unknown: str = ""


def audit(pins: Iterable[tuple[str, str]]) -> Audit:
    """Ask for packages, name and version. Never fails: what could not be asked is said."""
    asked = sorted(set(pins))
    if not asked:
        return Audit()
    if offline.wanted():
        return Audit(unknown=f"{offline.VARIABLE} is set")
    with temporary.folder() as folder:
        file = folder / "requirements.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in asked), "utf-8")
        try:
            done = _run(file)
        except EngineError as error:
            return Audit(unknown=error.what)
    return read(done.stdout, done.stderr)


def _run(requirements: Path) -> process.Completed:
    """Raises EngineError."""
    bundle = ca_bundle(os.environ)
    trust = {"REQUESTS_CA_BUNDLE": bundle} if bundle else {}
    return process.run(
        [
            *(uv.binary(), "tool", "run", "--quiet", "--from", _TOOL, "pip-audit", "--requirement", str(requirements)),
            *("--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"),
            *("--timeout", str(_PER_REQUEST)),
        ],
        env={**os.environ, **index_environment(os.environ), **trust},
        timeout=_SECONDS,
    )


def read(stdout: str, stderr: str) -> Audit:
    """What pip-audit printed. Behind a mirror it finds no package at all, and calls that "no known vulnerabilities"."""
    try:
        listed = json.loads(stdout)["dependencies"]
        skipped = tuple(str(entry["name"]) for entry in listed if "skip_reason" in entry)
        found = tuple(_found(entry) for entry in listed if "skip_reason" not in entry)
    except (ValueError, LookupError, TypeError, AttributeError):
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        return Audit(unknown=lines[-1][:200] if lines else "it said nothing")
    if listed and not found:
        return Audit(skipped=skipped, unknown=str(listed[0]["skip_reason"])[:200])
    return Audit(tuple(sorted((one for several in found for one in several), key=_order)), skipped)


def _found(entry: Any) -> list[Vulnerability]:
    name, version = str(entry["name"]), str(entry["version"])
    return [
        Vulnerability(name, version, str(known["id"]), tuple(map(str, known.get("fix_versions") or ())))
        for known in entry["vulns"]
    ]


def _order(one: Vulnerability) -> tuple[str, str]:
    return one.package, one.id
