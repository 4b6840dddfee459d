"""The project's own recipe in a plain virtual environment, as a person would follow it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib.engines import uv
from noxlib.engines.index import index_environment
from tests.real import person, reporter
from tests.real.outcomes import Outcomes

if TYPE_CHECKING:
    from tests.real.table import RealProject

INSTALL_SECONDS = 900.0
SUITE_SECONDS = 1800.0


def run(project: RealProject, python: str, checkout: Path, scratch: Path) -> Outcomes:
    """Create the environment, install as the project says, run pytest in its folder.

    Raises:
        subprocess.CalledProcessError: The environment cannot be made.
        FileNotFoundError: pytest ended before it could report; its output is in ``scratch/pytest.log``.
    """
    environment = scratch / "venv"
    _uv("venv", "--quiet", f"--python={interpreter(python)}", str(environment), cwd=checkout)
    newest = f"--exclude-newer={project.exclude_newer}"
    into = f"--python={environment / 'bin' / 'python'}"
    for arguments in project.prepare:
        _uv(*arguments, cwd=checkout, VIRTUAL_ENV=str(environment), PDM_IGNORE_SAVED_PYTHON="1")
    for arguments in project.install:
        _uv("pip", "install", "--quiet", newest, into, *arguments, cwd=checkout)
    return _pytest(project, environment, checkout, scratch)


def interpreter(python: str) -> str:
    """Path of that Python on this machine, wherever people keep theirs.

    Raises:
        LookupError: It is not installed.
    """
    import findpython

    found = findpython.find(python)
    if found is None:
        raise LookupError(f"Python {python} is not installed")
    return str(found.executable)


def _uv(*arguments: str, cwd: Path, **variables: str) -> None:
    own = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    fixed = {"UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_RETRIES": "10"}  # an index may not answer at once
    environment = {**own, **index_environment(own), **fixed, **variables}
    subprocess.run([uv.binary(), *arguments], cwd=cwd, env=environment, check=True, timeout=INSTALL_SECONDS)


def _pytest(project: RealProject, environment: Path, checkout: Path, scratch: Path) -> Outcomes:
    result = scratch / "outcomes.json"
    argv = [str(environment / "bin" / "pytest"), "-p", "real_reporter", *project.pytest]
    plugins = scratch / "plugins"
    plugins.mkdir()
    (plugins / "real_reporter.py").write_bytes(Path(reporter.__file__).read_bytes())
    with (scratch / "pytest.log").open("wb") as log:
        subprocess.run(
            argv,
            cwd=checkout,
            env=_person(
                environment, scratch, PYTHONPATH=str(plugins), REAL_OUTCOMES=str(result), **project.environment
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=SUITE_SECONDS,
        )
    return msgspec.json.decode(result.read_bytes(), type=Outcomes)


def _person(environment: Path, scratch: Path, **more: str) -> dict[str, str]:
    """The environment of a person who activated the virtual environment, and nothing of this process' own."""
    home = scratch / "home"
    home.mkdir()
    path = os.pathsep.join([str(environment / "bin"), person.path()])
    user = {"HOME": str(home), "USER": "person", "LOGNAME": "person", "LANG": "C.UTF-8"}
    return {**user, "PATH": path, "VIRTUAL_ENV": str(environment), **more}
