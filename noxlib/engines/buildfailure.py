"""What went wrong in a build, from the builder's own output: the Dockerfile's line, the registry, the disk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

from noxlib.errors import BuildError, EngineError

if TYPE_CHECKING:
    from pathlib import Path

_RATE = re.compile(r"\b429\b|toomanyrequests|rate limit", re.IGNORECASE)
_REGISTRY = re.compile(
    r"failed to resolve source metadata|failed to do request|no such host|dial tcp|TLS handshake|i/o timeout"
    r"|unauthorized|not found",
    re.IGNORECASE,
)
_DISK = re.compile(r"no space left on device", re.IGNORECASE)
_NO_ENGINE = re.compile(r"cannot connect to the docker daemon|connection refused|EOF$", re.IGNORECASE)
_INDEX = re.compile(
    r"error sending request for url|Failed to fetch: |NewConnectionError|Max retries exceeded"
)  # of uv and pip
TEMPLATE = "Dockerfile.noxlib"  #: the file name of noxlib's own Dockerfile: its lines mean nothing to the user


def failure(lines: list[str], name: str, code: Optional[int], log: Path) -> EngineError | BuildError:
    """What the builder itself said: the Dockerfile's line, and the end of that step's output."""
    text = "\n".join(lines)
    image = re.search(r"failed to resolve source metadata for (\S+?):? ", text + " ")
    if image or re.search(r"toomanyrequests", text):
        return registry_failure(image.group(1) if image else "a base image", text)
    if _DISK.search(text):
        return EngineError(
            "the engine's disk is full", "free space: docker system df, then docker builder prune", cause="disk-full"
        )
    shown = excerpt(lines)
    if not shown:
        said = lines[-1] if lines else f"it ended with {code} and said nothing"
        if _NO_ENGINE.search(said):
            return EngineError(
                f"the engine went away during the build: {said}", "start it again; docker info says more"
            )
        return BuildError(f"{name} cannot be built: {said}", f"mend {name}; all of the builder's output: {log}")
    why = re.findall(r"did not complete successfully: (.+)", text)
    reason = f" ({why[-1].strip()})" if why else ""
    if name == TEMPLATE:
        return _of_template(_output(shown), reason, log)
    where = next((line for line in shown if re.match(rf"{re.escape(name)}:\d+", line)), name)
    return BuildError("\n  ".join((f"{where} failed{reason}", *shown)), f"mend that line; all of the output: {log}")


def _of_template(output: list[str], reason: str, log: Path) -> EngineError | BuildError:
    """Of noxlib's own Dockerfile: an index that does not answer is the infrastructure's fault, not the project's."""
    if _INDEX.search("\n".join(output)):
        return EngineError(
            "\n  ".join(("the package index cannot be reached from the build", *output)),
            f"check the network and run the session again; all of the output: {log}",
            cause="unreachable",
        )
    return BuildError(
        "\n  ".join((f"the testground cannot be built{reason}", *output)),
        f"a missing header or program goes into apt = […] of [tool.noxlib]; all of the output: {log}",
    )


def _output(shown: list[str]) -> list[str]:
    """What the step printed, without the lines of a Dockerfile that its reader never wrote."""
    return [line for line in shown if not re.match(r" > \[|\s*\d+ \||" + re.escape(TEMPLATE), line)]


def excerpt(lines: list[str]) -> list[str]:
    """The end of plain progress output: the last lines of the step that failed, then the Dockerfile's own lines."""
    marks = [index for index, line in enumerate(lines) if line == "------"]
    start = marks[-2] + 1 if len(marks) > 1 else (marks[-1] + 1 if marks else len(lines))
    block = [
        line for line in lines[start:] if line.strip("-") and not line.startswith(("ERROR: failed to", "WARNING:"))
    ]
    if not marks:
        block = [line.partition("ERROR: ")[2] for line in lines if line.startswith("ERROR: failed to")]
        numbered = [line for line in lines if re.match(r"\S+:\d+$|\s+\d+ \|", line)]
        block = numbered + [line for line in block if line]
    return [line.rstrip() for line in block][-30:]


def registry_failure(reference: str, said: str) -> EngineError:
    """Why an image could not be pulled, and what to do."""
    if _RATE.search(said):
        return EngineError(
            f"the registry refuses to hand out {reference}: too many pulls from this address (429)",
            'log in (docker login), wait, or set [tool.noxlib] mirrors = {"docker.io" = "mirror.example.org"}',
            cause="rate-limit",
        )
    lines = [line for line in said.strip().splitlines() if _REGISTRY.search(line)] or said.strip().splitlines()
    reason = lines[-1].strip()[:300] if lines else "the engine gave no reason"
    return EngineError(
        f"the image {reference} is not here and cannot be pulled: {reason}",
        "check the name and the network, log in, load it (docker load), or set mirrors in [tool.noxlib]",
        cause="registry",
    )
