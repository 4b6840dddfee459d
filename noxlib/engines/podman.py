"""podman's own build: its docker-compatible service knows no BuildKit, and takes no secrets from the docker command."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from noxlib.engines.buildfailure import TEMPLATE, registry_failure
from noxlib.errors import BuildError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxlib.engines.endpoint import Endpoint

STEP = re.compile(r"(?:\[\d+/\d+\] )?STEP \d+/\d+: (.*)")
_FAILED = re.compile(r'^Error: building at STEP "(?P<step>.*)": .*?(?:exit status (?P<code>\d+))?$')
_PULL = re.compile(
    r"^Error: .*(?:unable to copy from source docker://|initializing source docker://)(?P<image>[^\s:]+:?[^\s:]*)"
)
_SHOWN = 12  #: last lines of a step that failed


class Failed(Exception):
    """The build ended with another code than 0; its output says why."""


def command(endpoint: Endpoint) -> list[str]:
    """The podman command, told where the service is. Raises EngineError."""
    program = shutil.which("podman") or shutil.which("podman-remote")
    if program is None:
        raise EngineError(
            "no podman command is on PATH, so nothing can be built in podman",
            "install podman or podman-remote, or set DOCKER_HOST to a docker engine",
        )
    return [program, "--url", endpoint.url]


def build(endpoint: Endpoint, arguments: Sequence[str]) -> Iterator[str]:
    """Build by ``podman build`` with these arguments; the output's lines. Raises EngineError and Failed."""
    argv = [*command(endpoint), "build", "--pull=never", *arguments]
    started = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with started as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield line.decode("utf-8", "replace")
    if process.returncode:
        raise Failed


def failure(lines: Sequence[str], name: str, log: Path) -> EngineError | BuildError:
    """What podman said: the instruction that failed and the end of its output."""
    last = next(
        (line for line in reversed(lines) if line.startswith("Error: ")), lines[-1] if lines else "it said nothing"
    )
    pulled = _PULL.match(last)
    if pulled:
        return registry_failure(pulled["image"], last)
    if "no space left on device" in last:
        return EngineError(
            "the engine's disk is full", "free space: podman system df, then podman system prune", cause="disk-full"
        )
    found = _FAILED.match(last)
    if found is None:
        return BuildError(
            f"{name} cannot be built: {last.partition(': ')[2]}", f"mend {name}; all of the output: {log}"
        )
    reason = f" (exit code: {found['code']})" if found["code"] else ""
    where = "the testground cannot be built" if name == TEMPLATE else f"{name}: {found['step'][:150]} failed"
    fix = "a missing header or program goes into apt = […] of [tool.noxlib]" if name == TEMPLATE else "mend that line"
    return BuildError("\n  ".join((f"{where}{reason}", *_output(lines))), f"{fix}; all of the output: {log}")


def _output(lines: Sequence[str]) -> list[str]:
    """What the last step printed."""
    start = max((at for at, line in enumerate(lines) if STEP.match(line)), default=-1) + 1
    return [line for line in lines[start:] if line.strip() and not line.startswith(("Error: ", "-->"))][-_SHOWN:]
