"""Small projects to measure on, each in a folder of its own."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.sampling import Failed, nox, say, timed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOXFILE = "import noxlib\n\nnoxlib.register()\n"
TESTS = "import {name}\n\n\ndef test_one():\n    assert {name}.one() == 1\n" + "".join(
    f"\n\ndef test_{number}():\n    assert {number} == {number}\n" for number in range(10)
)
PURE = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
requires-python = ">=3.9"

[dependency-groups]
test = ["pytest"]
"""
EXTENSION = PURE.replace('["hatchling"]', '["setuptools>=64"]').replace("hatchling.build", "setuptools.build_meta")
SETUP = """\
from setuptools import Extension, setup

setup(ext_modules=[Extension("{name}._fast", ["src/{name}/_fast.c"])])
"""
C = """\
#include <Python.h>

static PyObject *one(PyObject *self, PyObject *ignored) { return PyLong_FromLong(1); }
static PyMethodDef methods[] = {{"one", one, METH_NOARGS, "One."}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_fast", NULL, -1, methods};
PyMODINIT_FUNC PyInit__fast(void) { return PyModule_Create(&module); }
"""


class Project:
    """A project of the benchmarks in a folder that is removed at the end."""

    def __init__(self, root: Path, name: str, *, extension: bool) -> None:
        self.root = root
        self.name = name
        self.extension = extension

    def write(self, version: str = "1.0") -> None:
        """Write pyproject.toml; another version is another key of the prepared files, and nothing else."""
        text = EXTENSION if self.extension else PURE
        self.file("pyproject.toml", text.format(name=self.name.replace("_", "-"), version=version))

    def file(self, path: str, text: str) -> None:
        """Write one file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def commit(self) -> None:
        """Make it a repository, as a user's project is one."""
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
        for arguments in (("init", "-q"), ("add", "-A"), (*identity, "commit", "-q", "-m", "Start")):
            subprocess.run(("git", *arguments), cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def unit(self, python: str, place: str, *arguments: str) -> float:
        """Seconds of a whole ``nox -s unit-X``, nox's own start included."""
        return timed(nox("-s", f"unit-{python}", *arguments), self.root, {"NOXLIB_PLACE": place})

    def warm_up(self, python: str, place: str) -> None:
        """Lock, build and prepare what is not there yet."""
        say(f"  making the testground of Python {python} ({place})")
        self.unit(python, place)

    def latest(self, name: str) -> Mapping[str, object]:
        """A file of the newest run, as JSON: ``plan.json``, ``record.json``."""
        found: Mapping[str, object] = msgspec.json.decode((self.newest / name).read_bytes())
        return found

    @property
    def newest(self) -> Path:
        """The folder of the newest run."""
        return max((self.root / ".noxlib" / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)


@contextlib.contextmanager
def project(name: str, *, extension: bool = False) -> Iterator[Project]:
    """A project with eleven tests, pure or with a small C extension."""
    with tempfile.TemporaryDirectory(prefix="noxlib-bench-") as folder:
        made = Project(Path(folder) / "checkout", name, extension=extension)
        made.write()
        made.file("noxfile.py", NOXFILE)
        made.file(".gitignore", ".noxlib/\n__pycache__/\n*.so\nbuild/\n")
        body = "from ._fast import one\n" if extension else "def one():\n    return 1\n"
        made.file(f"src/{name}/__init__.py", body)
        made.file("tests/test_one.py", TESTS.format(name=name))
        if extension:
            made.file("setup.py", SETUP.format(name=name))
            made.file(f"src/{name}/_fast.c", C)
        made.commit()
        yield made


def text(values: Mapping[str, object], *keys: str) -> str:
    """A text in nested JSON objects. Raises Failed where there is none."""
    found: object = values
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, str):
        raise Failed(f"the run left no {'.'.join(keys)}")
    return found
