"""Reading a Dockerfile: its stages, the images that it builds on, the files that it copies. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WHOLE_TREE = "."
_DIRECTIVE = re.compile(r"^#\s*escape\s*=\s*(\S)\s*$", re.MULTILINE | re.IGNORECASE)
_HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
_VARIABLE = re.compile(r"(?<!\\)\$(?:\{(?P<name>\w+)(?::?(?P<operator>[-+])(?P<word>[^}]*))?\}|(?P<bare>\w+))")
_UNKNOWN = re.compile(r"(?<!\\)\$[\w{]")


class Instruction(msgspec.Struct, frozen=True):
    """One instruction, its continuation lines joined."""

    keyword: str  #: upper case
    flags: dict[str, str]  #: ``--from=builder`` -> ``{"from": "builder"}``
    rest: str
    line: int  #: counted from 1


class Dockerfile(msgspec.Struct, frozen=True):
    """What of a Dockerfile decides the content of its image, beside its text."""

    stages: tuple[str, ...]  #: names, lower case
    images: tuple[str, ...]  #: references that it builds on or copies from, in order
    sources: tuple[str, ...]  #: patterns of the context that it copies; ``.`` is the whole tree
    arguments: tuple[str, ...]  #: names that ARG declares


def read(text: str, build_arguments: Mapping[str, str]) -> Dockerfile:
    """Read a Dockerfile as BuildKit would for these build arguments. Lines that it would refuse are left to it."""
    values: dict[str, str] = {}
    stages: list[str] = []
    images: list[str] = []
    sources: list[str] = []
    declared: list[str] = []
    for instruction in instructions(text):
        if instruction.keyword == "ARG":
            for name, default in _pairs(instruction.rest):
                declared.append(name)
                value = build_arguments.get(name, None if default is None else substitute(default, values))
                values.update({} if value is None else {name: value})
        elif instruction.keyword == "ENV":
            values.update({name: substitute(value or "", values) for name, value in _pairs(instruction.rest)})
        elif instruction.keyword == "FROM":
            _stage(instruction, values, stages, images)
        else:
            sources += _sources(instruction, values)
            images += _foreign_stage(instruction, values, stages)
    return Dockerfile(
        tuple(filter(None, stages)), tuple(dict.fromkeys(images)), tuple(dict.fromkeys(sources)), tuple(declared)
    )


def check(dockerfile: Dockerfile, name: str) -> None:
    """Raises ConfigError unless it declares the build argument that says which Python."""
    if "PYTHON_VERSION" not in dockerfile.arguments:
        raise ConfigError(
            f"{name} does not declare the build argument PYTHON_VERSION, so every Python would get the same image",
            f"begin {name} with: ARG PYTHON_VERSION=3.12 and: FROM python:${{PYTHON_VERSION}}-slim",
        )


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order; comments, continuations and here-documents are understood."""
    directive = _DIRECTIVE.match(text)
    escape = directive.group(1) if directive else "\\"
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        logical = line.strip()
        if not logical or logical.startswith("#"):
            continue
        while logical.endswith(escape):
            _, following = next(lines, (0, ""))
            stripped = following.strip()
            logical = logical if stripped.startswith("#") else logical[:-1].rstrip() + " " + stripped
        keyword, _, rest = logical.partition(" ")
        if keyword.upper() in ("RUN", "COPY", "ADD"):
            for _, word in _HEREDOC.findall(rest):
                _skip_document(lines, word)
        yield _instruction(keyword, rest, number)


def _skip_document(lines: Iterator[tuple[int, str]], word: str) -> None:
    for _, line in lines:
        if line.strip("\t") == word:
            return


def _instruction(keyword: str, rest: str, line: int) -> Instruction:
    flags: dict[str, str] = {}
    rest = rest.strip()
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        name, _, value = flag[2:].partition("=")
        flags[name] = f"{flags[name]}\n{value}" if name in flags else value
        rest = rest.strip()
    return Instruction(keyword.upper(), flags, rest, line)


def _pairs(rest: str) -> Iterator[tuple[str, Optional[str]]]:
    """``NAME=value OTHER`` -> pairs; a value in quotes may hold spaces; ``NAME value`` is ENV's old form."""
    first = rest.split(None, 1)
    if len(first) == 2 and "=" not in first[0]:  # noqa: PLR2004 - name and value
        yield first[0], first[1]
        return
    for match in re.finditer(r"""(\w+)(?:=("[^"]*"|'[^']*'|(?:\\.|\S)*))?""", rest):
        value = match.group(2)
        yield match.group(1), None if value is None else value.strip("\"'")


def substitute(text: str, values: Mapping[str, str]) -> str:
    """``$NAME``, ``${NAME}``, ``${NAME:-word}`` and ``${NAME:+word}``; an unknown name stays as it is."""

    def value(match: re.Match[str]) -> str:
        known = values.get(match.group("name") or match.group("bare"))
        if match.group("operator") == "-":
            return known or match.group("word")
        if match.group("operator") == "+":
            return match.group("word") if known else ""
        return match.group(0) if known is None else known

    return _VARIABLE.sub(value, text)


def _stage(instruction: Instruction, values: Mapping[str, str], stages: list[str], images: list[str]) -> None:
    words = instruction.rest.split()
    image = substitute(words[0], values).strip("\"'") if words else ""
    if image and image.lower() not in stages and image != "scratch" and not _UNKNOWN.search(image):
        images.append(image)
    named = len(words) == 3 and words[1].upper() == "AS"  # noqa: PLR2004 - image AS name
    stages.append(words[2].lower() if named else "")


def _foreign_stage(instruction: Instruction, values: Mapping[str, str], stages: list[str]) -> list[str]:
    """The image of ``COPY --from=IMAGE`` and of ``RUN --mount=…,from=IMAGE``, where it is no stage of this file."""
    named = [instruction.flags["from"]] if "from" in instruction.flags else []
    named += [mount["from"] for mount in _mounts(instruction) if "from" in mount]
    images = (substitute(name, values) for name in named)
    return [
        image for image in images if image.lower() not in stages and not image.isdigit() and not _UNKNOWN.search(image)
    ]


def _mounts(instruction: Instruction) -> Iterator[dict[str, str]]:
    for mount in instruction.flags.get("mount", "").splitlines():
        parts = (part.partition("=") for part in mount.split(","))
        yield {name: value for name, _, value in parts}


def _sources(instruction: Instruction, values: Mapping[str, str]) -> list[str]:
    """What an instruction takes from the context. A source with an unknown variable may be anything: the whole tree."""
    if instruction.keyword == "RUN":
        bound = [mount for mount in _mounts(instruction) if mount.get("type", "bind") == "bind" and "from" not in mount]
        named = [mount.get("source") or mount.get("src") or WHOLE_TREE for mount in bound]
    elif instruction.keyword in ("COPY", "ADD") and "from" not in instruction.flags:
        named = [word for word in _words(instruction.rest)[:-1] if not word.startswith("<<") and "://" not in word]
    elif instruction.keyword == "ONBUILD":
        return []
    else:
        return []
    known = (substitute(name, values) for name in named)
    return [WHOLE_TREE if _UNKNOWN.search(name) else name.lstrip("/") or WHOLE_TREE for name in known]


def _words(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            return [str(word) for word in json.loads(rest)]
        except ValueError:
            return [WHOLE_TREE, ""]  # BuildKit will say what is wrong with it; until then anything may be copied
    return [word.strip("\"'") for word in rest.split()]
