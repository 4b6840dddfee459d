"""The prepared editable install with real back ends from the index: metadata, imports, generated files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

pytestmark = pytest.mark.projects

REPOSITORY = Path(__file__).parents[2]
BACKENDS = (
    *("setuptools", "setuptools-scm", "hatchling", "hatch-vcs", "flit-core", "poetry-core", "pdm-backend"),
    *("meson-python", "scikit-build-core", "maturin", "cffi", "cmake", "ninja"),
)
MODULE = "from demo_pkg.part import answer\n\n\ndef main():\n    print(answer())\n"
PART = "def answer():\n    return 42\n"
TEST = (
    "import demo_pkg\nfrom importlib.metadata import version\n\n\n"
    "def test_it():\n    assert demo_pkg.answer() == 42\n    assert version('demo-pkg')\n"
)
PACKAGE = {"demo_pkg/__init__.py": MODULE, "demo_pkg/part.py": PART}
SRC_PACKAGE = {f"src/{name}": text for name, text in PACKAGE.items()}
C_SOURCE = (
    "#include <Python.h>\nstatic PyObject *answer(PyObject *s, PyObject *a) { return PyLong_FromLong(42); }\n"
    'static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};\n'
    'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "part", NULL, -1, methods};\n'
    "PyMODINIT_FUNC PyInit_part(void) { return PyModule_Create(&module); }\n"
)


def project(requires: str, backend: str, more: str = "", version: str = 'version = "1.0"') -> str:
    return (
        f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend}"\n\n'
        f'[project]\nname = "demo-pkg"\n{version}\nrequires-python = ">=3.9"\n'
        f'description = "A demonstration."\n\n[project.scripts]\ndemo-pkg = "demo_pkg:main"\n\n{more}\n'
    )


DYNAMIC = 'dynamic = ["version"]'
PROJECTS: dict[str, dict[str, str]] = {
    "setuptools-flat": {"pyproject.toml": project("setuptools", "setuptools.build_meta"), **PACKAGE},
    "setuptools-src": {"pyproject.toml": project("setuptools", "setuptools.build_meta"), **SRC_PACKAGE},
    "setuptools-finder": {
        "pyproject.toml": project(
            "setuptools",
            "setuptools.build_meta",
            '[tool.setuptools]\npackages = ["demo_pkg"]\npackage-dir = {demo_pkg = "lib/python"}\n',
        ),
        "lib/python/__init__.py": MODULE,
        "lib/python/part.py": PART,
    },
    "setup.py": {
        "setup.py": "from setuptools import setup\nsetup(name='demo-pkg', version='1.0', packages=['demo_pkg'],"
        " entry_points={'console_scripts': ['demo-pkg=demo_pkg:main']})\n",
        **PACKAGE,
    },
    "setuptools-c": {
        "pyproject.toml": project("setuptools", "setuptools.build_meta"),
        "setup.py": "from setuptools import Extension, setup\n"
        "setup(ext_modules=[Extension('demo_pkg.part', ['src/demo_pkg/part.c'])])\n",
        "src/demo_pkg/__init__.py": MODULE,
        "src/demo_pkg/part.c": C_SOURCE,
    },
    "setuptools-scm": {
        "pyproject.toml": project(
            "setuptools-scm",
            "setuptools.build_meta",
            '[tool.setuptools_scm]\nversion_file = "src/demo_pkg/_version.py"\nfallback_version = "1.0"\n',
            DYNAMIC,
        ),
        **SRC_PACKAGE,
        "src/demo_pkg/__init__.py": "from demo_pkg._version import version\n" + MODULE,
    },
    "hatchling": {"pyproject.toml": project("hatchling", "hatchling.build"), **SRC_PACKAGE},
    "hatch-vcs": {
        "pyproject.toml": project(
            "hatch-vcs",
            "hatchling.build",
            '[tool.hatch.version]\nsource = "vcs"\nfallback-version = "1.0"\n'
            '[tool.hatch.build.hooks.vcs]\nversion-file = "src/demo_pkg/_version.py"\n',
            DYNAMIC,
        ),
        **SRC_PACKAGE,
        "src/demo_pkg/__init__.py": "from demo_pkg._version import version\n" + MODULE,
    },
    "flit": {"pyproject.toml": project("flit_core", "flit_core.buildapi"), **PACKAGE},
    "poetry": {"pyproject.toml": project("poetry-core", "poetry.core.masonry.api"), **SRC_PACKAGE},
    "pdm": {"pyproject.toml": project("pdm-backend", "pdm.backend"), **SRC_PACKAGE},
    "meson-python": {
        "pyproject.toml": project("meson-python", "mesonpy"),
        "meson.build": "project('demo-pkg', 'c')\npy = import('python').find_installation(pure: false)\n"
        "py.extension_module('part', 'part.c', install: true, subdir: 'demo_pkg')\n"
        "py.install_sources('demo_pkg/__init__.py', subdir: 'demo_pkg', pure: false)\n",
        "part.c": C_SOURCE,
        "demo_pkg/__init__.py": MODULE,
    },
    "scikit-build-core": {
        "pyproject.toml": project("scikit-build-core", "scikit_build_core.build"),
        "CMakeLists.txt": "cmake_minimum_required(VERSION 3.15)\nproject(demo LANGUAGES C)\n"
        "find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)\n"
        "python_add_library(part MODULE part.c WITH_SOABI)\ninstall(TARGETS part DESTINATION demo_pkg)\n",
        "part.c": C_SOURCE,
        "src/demo_pkg/__init__.py": MODULE,
    },
    "maturin": {
        "pyproject.toml": project(
            "maturin",
            "maturin",
            '[tool.maturin]\npython-source = "python"\nmodule-name = "demo_pkg._native"\nbindings = "cffi"\n',
        ),
        "Cargo.toml": '[package]\nname = "demo-pkg"\nversion = "1.0.0"\nedition = "2021"\n\n'
        '[lib]\nname = "_native"\ncrate-type = ["cdylib"]\n',
        "src/lib.rs": '#[no_mangle]\npub extern "C" fn answer() -> i32 { 42 }\n',
        "python/demo_pkg/__init__.py": MODULE,
        "python/demo_pkg/part.py": "import ctypes, glob, os\n\n\ndef answer():\n"
        "    return ctypes.CDLL(glob.glob(os.path.dirname(__file__) + '/_native/*.so')[0]).answer()\n",
    },
}
GENERATED = {
    "setuptools-c": "src/demo_pkg/part.",
    "setuptools-scm": "src/demo_pkg/_version.py",
    "hatch-vcs": "src/demo_pkg/_version.py",
    "meson-python": "build/",
    "maturin": "python/demo_pkg/_native/",
}


def uv(*arguments: str | Path) -> None:
    own = {"UV_PYTHON_DOWNLOADS": "never", "UV_HTTP_RETRIES": "10"}  # an index may not answer at once
    subprocess.run([find_uv_bin(), *map(str, arguments)], check=True, env={**os.environ, **own})


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Interpreters of an environment with every back end, and of one with pytest only."""
    folder = tmp_path_factory.mktemp("environments")
    for name, packages in (("build", BACKENDS), ("testground", ("pytest",))):
        uv("venv", "--quiet", "--python", sys.executable, folder / name)
        uv("pip", "install", "--quiet", "--python", folder / name / "bin" / "python", *packages)
    return folder / "build/bin/python", folder / "testground/bin/python"


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/noxlib_inside").symlink_to(REPOSITORY / "noxlib/inside")
    return tmp_path / "lib/noxlib_inside"


def write_project(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def request_for(files: dict[str, str], workspace: Path, output: Path, python: Path) -> dict[str, Any]:
    lines = [line for line in files.get("pyproject.toml", "").splitlines() if line.startswith("build-backend")]
    backend = json.loads(lines[0].partition("=")[2]) if lines else "setuptools.build_meta:__legacy__"
    return {
        "workspace": str(workspace),
        "output": str(output),
        "requires": [],
        "backend": backend,
        "backend_path": [],
        "python": str(python),
        "uv": find_uv_bin(),
        "owned": None,
        "config_settings": {},
    }


def run_prepare(inside: Path, python: Path, request: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = Path(request["output"]).with_name("request.json")
    path.write_text(json.dumps(request), encoding="utf-8")
    command = [python, inside / "prepare.py", path]
    return subprocess.run(command, cwd=request["workspace"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(PROJECTS))
def test_prepared_files_over_a_fresh_checkout_are_an_editable_install(
    name: str, environments: tuple[Path, Path], inside: Path, tmp_path: Path
) -> None:
    build_python, python = environments
    workspace, output = tmp_path / "workspace", tmp_path / "output"
    write_project(workspace, {**PROJECTS[name], "tests/test_it.py": TEST})
    done = run_prepare(inside, build_python, request_for(PROJECTS[name], workspace, output, python))
    assert done.returncode == 0, done.stdout + done.stderr
    prepared = json.loads((output / "prepared.json").read_text())
    assert prepared["import_names"] == ["demo_pkg"]
    assert not set(prepared["files"]) & set(PROJECTS[name])
    assert name not in GENERATED or any(file.startswith(GENERATED[name]) for file in prepared["files"])
    shutil.rmtree(workspace)
    write_project(workspace, {**PROJECTS[name], "tests/test_it.py": TEST})
    shutil.copytree(output / "tree", workspace, dirs_exist_ok=True, symlinks=True)
    environment = {**os.environ, **prepared["environment"], "PYTHONPATH": str(tmp_path / "start")}
    write_project(tmp_path, {"start/sitecustomize.py": f"import site\nsite.addsitedir({str(output / 'site')!r})\n"})
    check_tests(inside, python, workspace, environment, output)
    check_metadata(python, output, environment)


def check_tests(inside: Path, python: Path, workspace: Path, environment: dict[str, str], output: Path) -> None:
    task = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "workspace": str(workspace),
        "result": str(workspace.parent / "result"),
        "paths": ["tests"],
        "import_names": ["demo_pkg"],
        "import_roots": [str(workspace), str(output / "site")],
        "timeout": 600,
    }
    path = workspace.parent / "task.json"
    path.write_text(json.dumps(task))
    command = [python, inside / "run.py", path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def check_metadata(python: Path, output: Path, environment: dict[str, str]) -> None:
    code = (
        "import importlib.metadata as m; d = m.distribution('demo-pkg'); "
        "assert d.version.startswith('1.0'), d.version; assert d.read_text('INSTALLER') == 'noxlib\\n'; "
        "assert '\"editable\": true' in d.read_text('direct_url.json'); "
        "assert all(f.locate().exists() for f in d.files)"
    )
    subprocess.run([python, "-c", code], check=True, env=environment)
    script = subprocess.run([output / "site/bin/demo-pkg"], check=True, env=environment, capture_output=True, text=True)
    assert script.stdout == "42\n"


def test_a_build_that_fails_ends_in_the_back_ends_own_words(
    environments: tuple[Path, Path], inside: Path, tmp_path: Path
) -> None:
    files = {"setup.py": "import setuptools\n\nraise RuntimeError('this project needs a moon')\n"}
    write_project(tmp_path / "workspace", files)
    request = request_for(files, tmp_path / "workspace", tmp_path / "output", environments[1])
    done = run_prepare(inside, environments[0], request)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: this project needs a moon")
    assert "setup.py" in done.stderr
    assert "noxlib_inside" not in done.stderr
    assert not (tmp_path / "output/prepared.json").exists()


def test_an_edit_is_seen_without_a_new_build(environments: tuple[Path, Path], inside: Path, tmp_path: Path) -> None:
    workspace, output = tmp_path / "workspace", tmp_path / "output"
    write_project(workspace, PROJECTS["hatch-vcs"])
    request = request_for(PROJECTS["hatch-vcs"], workspace, output, environments[1])
    request["owned"] = [*PROJECTS["hatch-vcs"], "src/demo_pkg/_version.py"]
    assert run_prepare(inside, environments[0], request).returncode == 0
    assert json.loads((output / "prepared.json").read_text())["files"] == []
    (workspace / "src/demo_pkg/part.py").write_text("def answer():\n    return 43\n")
    code = f"import site; site.addsitedir({str(output / 'site')!r}); import demo_pkg; print(demo_pkg.answer())"
    assert subprocess.check_output([environments[1], "-c", code], text=True) == "43\n"
