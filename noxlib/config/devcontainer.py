"""``init --devcontainer``: an editor's container on the stage that the tests run in, as the caller."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Optional

from noxlib.config.files import read_text
from noxlib.config.project import Project
from noxlib.config.pythons import newest
from noxlib.config.scaffold import Written, template, write_new

FOLDER = ".devcontainer"


def write_devcontainer(project: Project) -> tuple[Written, ...]:
    """devcontainer.json on the project's Dockerfile.test; where it has none, beside a Dockerfile of its own.

    A written Dockerfile.test would become the project's testground and take its lock away, so none is written.
    """
    python = newest(project.pythons)
    if project.dockerfile:
        text = read_text(project.root / project.dockerfile)
        build = {"dockerfile": f"../{project.dockerfile}", "context": ".."}
        content = devcontainer(project.name, python, {**build, **_target(text)}, user_of(text))
        return (write_new(project.root, f"{FOLDER}/devcontainer.json", content),)
    build = {"dockerfile": "Dockerfile", "context": "..", "target": "test"}
    return (
        write_new(project.root, f"{FOLDER}/Dockerfile", dockerfile(project, python)),
        write_new(project.root, f"{FOLDER}/devcontainer.json", devcontainer(project.name, python, build, "tester")),
    )


def _target(dockerfile: str) -> dict[str, str]:
    return {"target": "test"} if re.search(r"(?im)^\s*FROM\s.*\sAS\s+test\s*$", dockerfile) else {}


def user_of(dockerfile: str) -> Optional[str]:
    """The user whom the stage ``test``, or the last stage, ends with; None for root or a number."""
    stages = re.split(r"(?im)^(?=\s*FROM\s)", dockerfile)
    stage = next((part for part in stages if _target(part)), stages[-1])
    users = re.findall(r"(?im)^\s*USER\s+([\w.-]+)", stage)
    return users[-1] if users and users[-1] != "root" and not users[-1].isdigit() else None


def devcontainer(name: str, python: str, build: dict[str, Any], user: Optional[str]) -> str:
    """The text of devcontainer.json.

    A named user gets the caller's uid from the editor; without one the container runs as the caller's numbers.
    """
    content: dict[str, Any] = {
        "name": f"{name} testground",
        "build": {**build, "args": {"PYTHON_VERSION": python}},
        "workspaceFolder": "/workspace",
        "workspaceMount": "source=${localWorkspaceFolder},target=/workspace,type=bind",
        "overrideCommand": True,
    }
    if user:
        content.update(remoteUser=user, updateRemoteUserUID=True)
    else:
        uid, gid = f"${{localEnv:UID:{os.getuid()}}}", f"${{localEnv:GID:{os.getgid()}}}"
        content.update(runArgs=["--user", f"{uid}:{gid}"], containerEnv={"HOME": "/tmp"}, updateRemoteUserUID=False)  # noqa: S108 - in the container
    return json.dumps(content, indent=4) + "\n"


def dockerfile(project: Project, python: str) -> str:
    """A Dockerfile with the stage ``test`` that installs the declared dependencies, and never the project."""
    apt = f"RUN apt-get update && apt-get install -y --no-install-recommends {' '.join(project.config.apt)}\n"
    words = {
        "@PYTHON@": python,
        "@APT@": apt if project.config.apt else "",
        "@COPY@": "".join(f"COPY {json.dumps([name, name])}\n" for name in _copied(project)),
        "@INSTALL@": json.dumps(["uv", "pip", "install", "--no-cache", *_installed(project)]),
    }
    text = template("Dockerfile")
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text


def _metadata(project: Project) -> tuple[str, ...]:
    """The file whose dependencies uv installs; poetry's own table is in ``group_requirements`` already."""
    if "project" in project.metadata:
        return ("pyproject.toml",)
    if not project.is_package or "poetry" in project.metadata.get("tool", {}):
        return ()
    names = ("setup.py", "setup.cfg", "pyproject.toml")
    return tuple(name for name in names if (project.root / name).is_file())[:1]


def _copied(project: Project) -> tuple[str, ...]:
    """The files that declare dependencies; everything where a back end has to compute them."""
    dynamic = {"dependencies", "optional-dependencies"} & set(project.metadata.get("project", {}).get("dynamic", ()))
    metadata = _metadata(project)
    if dynamic or (metadata and metadata != ("pyproject.toml",)):
        return (".",)
    pyproject = ("pyproject.toml",) if metadata or project.groups else ()
    included = (path for name in project.requirements for path in _with_included(project.root, name, ()))
    return tuple(dict.fromkeys((*pyproject, *included)))


def _with_included(root: Path, name: str, seen: tuple[str, ...]) -> tuple[str, ...]:
    """A requirements file and those that it names by ``-r`` or ``-c``, as far as they are in the repository."""
    if name in seen or not (root / name).is_file():
        return ()
    names = re.findall(r"(?m)^\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", read_text(root / name))
    inner = (os.path.normpath(os.path.join(os.path.dirname(name), other)) for other in names)  # noqa: PTH118, PTH120
    wanted = (other for other in inner if not other.startswith(("/", "..")))
    return (name, *(path for other in wanted for path in _with_included(root, other, (*seen, name))))


def _installed(project: Project) -> list[str]:
    words = ["pytest", *project.packages, *project.group_requirements]
    metadata = _metadata(project)
    if metadata:
        words += ["-r", metadata[0], *_options("--extra", project.extras)]
    return words + _options("--group", project.groups) + _options("-r", project.requirements)


def _options(option: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (option, value)]
