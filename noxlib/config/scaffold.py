"""The files that a project lacks: written once, never overwritten."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from noxlib import __version__
from noxlib.config.files import read_toml
from noxlib.errors import UsageError

WORKFLOWS = ("test", "nightly", "cleanup", "research-environment")
COMPOSE = "docker-compose.test.yml"
_CALLED = b" noxlib/noxlib/.github/workflows/"  #: in a workflow of ours
_RELEASE = "@RELEASE "  #: in the templates of workflows, what follows the name of a workflow of noxlib's


class Written(NamedTuple):
    """A file, and whether it was ``written``, ``extended`` or ``kept``."""

    path: str
    what: str


def template(name: str, folder: str = "init") -> str:
    """The text of a file below ``noxlib/templates/FOLDER``."""
    return (resources.files("noxlib") / "templates" / folder / name).read_text(encoding="utf-8")


def write_new(root: Path, path: str, text: str) -> Written:
    """Write a file that is not there; what is there, a dangling link too, is kept.

    Raises:
        UsageError: the folder cannot be written.
    """
    target = root / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return Written(path, "kept")
    except OSError as error:
        raise _unwritable(target, error) from None
    return Written(path, "written")


def _unwritable(target: Path, error: OSError) -> UsageError:
    return UsageError(f"{target} cannot be written: {error.strerror}", "make its folder writable")


def write_settings(root: Path) -> Written:
    """A commented ``[tool.noxlib]`` at the end of pyproject.toml, or noxlib.toml where there is no pyproject.toml.

    Raises:
        ConfigError: pyproject.toml is no valid TOML; it is left alone.
    """
    target = root / "pyproject.toml"
    if (root / "noxlib.toml").exists() or not target.exists():
        return write_new(root, "noxlib.toml", own_settings())
    read_toml(target)  # an invalid file is not made longer
    content = target.read_bytes()
    if b"tool.noxlib" in content:
        return Written("pyproject.toml", "kept")
    line = "\r\n" if b"\r\n" in content else "\n"
    start = "" if content.endswith(b"\n") or not content else line
    block = line + template("settings.toml").replace("\n", line)
    try:
        with target.open("ab") as file:
            file.write((start + block).encode())
    except OSError as error:
        raise _unwritable(target, error) from None
    return Written("pyproject.toml", "extended")


def own_settings() -> str:
    """The same block as noxlib.toml has it: keys at the top, suites as ``[unit]``."""
    lines = template("settings.toml").splitlines(keepends=True)
    lines[0] = lines[0].replace("[tool.noxlib]  # every", "every")
    return re.sub(r"\[tool\.noxlib\.(\w+)\]", r"[\1]", "".join(lines))


def write_noxfile(root: Path) -> Written:
    """The noxfile of two lines."""
    return write_new(root, "noxfile.py", template("noxfile.py"))


def write_compose(root: Path) -> Written:
    """A compose file with a database and a cache, for ``compose_integration``."""
    return write_new(root, COMPOSE, template(COMPOSE))


def workflow(name: str) -> str:
    """The text of a workflow for GitHub Actions that calls noxlib's own, of the release that is installed."""
    return template(f"{name}.yml", "workflows").replace(_RELEASE, f"@v{__version__} ")


def write_workflows(root: Path) -> tuple[Written, ...]:
    """The workflows below ``.github/workflows`` that are not there."""
    return tuple(_write_workflow(root, name) for name in WORKFLOWS)


def _write_workflow(root: Path, name: str) -> Written:
    """Beside one of the project's own that has its name; GitHub tells two workflows apart by their names, too."""
    path, text = f".github/workflows/{name}.yml", workflow(name)
    if (root / path).is_file() and _CALLED not in (root / path).read_bytes():
        path, text = f".github/workflows/noxlib-{name}.yml", text.replace("\nname: ", "\nname: noxlib ", 1)
    return write_new(root, path, text)
