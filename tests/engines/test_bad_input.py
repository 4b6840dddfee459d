"""What a user may get wrong before anything runs: one line of what happened, one of what to do, and a record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from noxlib.records import store

from .checks import left_in_engine, told
from .conftest import Nox

Adopt = Callable[..., Nox]
PLACES = ["container", "venv"]
BROKEN = """ARG PYTHON_VERSION=3.10
FROM python:${PYTHON_VERSION}-slim
RUN echo first words && sh -c 'exit 7'
"""

pytestmark = [pytest.mark.docker]


def test_an_unknown_session_is_refused_in_noxs_own_words(adopt: Adopt) -> None:
    ended = adopt("flat")("-s", "unti-3.10")
    assert ended.code == 3
    assert "Sessions not found: unti-3.10" in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--plcae", "venv"), "no option --plcae; the nearest is --place"),
        (("--place", "nowhere"), "invalid choice: 'nowhere' (choose from"),
        (("--place",), "--place: expected one argument"),
        (("--keep=yes",), "--keep: ignored explicit argument 'yes'"),
    ],
)
def test_an_unknown_or_misspelt_option_starts_nothing(adopt: Adopt, words: tuple[str, ...], said: str) -> None:
    nox = adopt("flat")
    ended = nox("-s", "unit-3.10", "--", *words)
    assert told(ended) == 2
    assert said in ended.output
    assert "nox -s unit-3.10 -- --help shows the step's options" in ended.output
    assert store.runs(nox.folder) == []


def test_an_option_that_pytest_does_not_know_is_a_usage_error_of_pytests(adopt: Adopt) -> None:
    nox = adopt("flat")
    ended = nox("-s", "unit-3.10", "--", "--no-such-option")
    assert "unrecognized arguments: --no-such-option" in ended.output
    assert told(ended) == 2
    assert (nox.record.outcome, nox.record.cause) == ("error", "usage")


@pytest.mark.parametrize(
    ("configuration", "variables", "said", "todo"),
    [
        ('plase = "venv"', {}, "plase is no key of noxlib; did you mean place?", "rename or remove it"),
        ("[unit]\ntimeuot = 3", {}, "did you mean unit.timeout?", "rename or remove it"),
        ("place = [", {}, "not valid TOML", "correct"),
        ('pythons = ["2.7"]', {}, "2.7", "correct pythons in noxlib.toml"),
        ('[unit]\npaths = ["../elsewhere"]', {}, "../elsewhere", "correct unit.paths"),
        ("", {"NOXLIB_PLASE": "venv"}, "did you mean NOXLIB_PLACE?", "rename or unset NOXLIB_PLASE"),
        ("", {"NOXLIB_UNIT_TIMEOUT": "soon"}, "expected a number, found 'soon'", "correct or unset"),
    ],
)
def test_a_wrong_configuration_is_told_before_anything_starts(
    adopt: Adopt, configuration: str, variables: dict[str, str], said: str, todo: str
) -> None:
    nox = adopt("flat", configuration)
    ended = nox("-s", "unit-3.10", **variables)
    assert ended.code != 0
    assert "Traceback" not in ended.output
    what, fix = ended.output.rstrip().splitlines()[-2:]
    assert said in what
    assert todo in fix
    assert store.runs(nox.folder) == []


def test_an_index_that_cannot_be_reached_is_one_line_and_its_address(adopt: Adopt, own_state: Path) -> None:
    nox = adopt("flat")
    variables = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    ended = nox("-s", "unit-3.10", **variables)
    assert told(ended) == 2, ended.output
    assert "cannot be reached: Failed to fetch: http://127.0.0.1:9/simple/" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "unreachable")
    assert [path for path in own_state.glob("locks/*") if path.is_dir()] == []


@pytest.mark.parametrize("place", PLACES)
def test_what_nothing_satisfies_is_said_in_uvs_words(adopt: Adopt, place: str) -> None:
    nox = adopt("flat", 'packages = ["pytest<1"]')
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert told(ended)
    assert "depends on pytest<1" in " ".join(ended.output.split())  # uv breaks its lines
    assert "change the requirement that uv names" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "lock")


def test_an_outdated_lock_names_the_command_that_renews_it(adopt: Adopt) -> None:
    nox = adopt("flat")
    subprocess.run([sys.executable, "-m", "uv", "lock", "--quiet"], cwd=nox.folder, check=True, env=nox.environment)
    file = nox.folder / "pyproject.toml"
    file.write_text(file.read_text().replace("[project]\n", '[project]\ndependencies = ["iniconfig"]\n'))
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 2
    assert "uv.lock is out of date" in ended.output
    assert "run: uv lock" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "lock")


@pytest.mark.parametrize(
    ("text", "said", "todo", "cause"),
    [
        (BROKEN, "Dockerfile.test:3 failed (exit code: 7)", "mend that line", "build"),
        (BROKEN.replace("RUN", "RNU"), "unknown instruction: RNU", "mend that line", "build"),
        ("FROM python:3.10-slim\n", "does not declare the build argument PYTHON_VERSION", "begin", "config"),
        (
            "ARG PYTHON_VERSION=3.10\nFROM registry.invalid/python:${PYTHON_VERSION}-slim\n",
            "registry.invalid/python:3.10-slim is not here and cannot be pulled",
            "check the name and the network",
            "registry",
        ),
    ],
    ids=["failing step", "unknown instruction", "no argument", "no registry"],
)
def test_a_dockerfile_with_an_error_is_shown_by_its_own_line(
    adopt: Adopt, text: str, said: str, todo: str, cause: str
) -> None:
    nox = adopt("flat")
    (nox.folder / "Dockerfile.test").write_text(text)
    ended = nox("-s", "unit-3.10")
    assert told(ended)
    assert said in ended.output
    assert todo in ended.output.rstrip().splitlines()[-1]
    if cause == "build":
        assert ">>> R" in ended.output  # the line itself
    assert (nox.record.outcome, nox.record.cause) == ("error", cause)
    assert left_in_engine(nox) == []


def test_no_tests_at_all_is_not_green(adopt: Adopt) -> None:
    nox = adopt("flat")
    for path in (nox.folder / "tests").iterdir():
        path.unlink()
    ended = nox("-s", "unit-3.10")
    assert ended.code == 1
    assert "no test was run, which is never a success" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("no-tests", "none-collected")


@pytest.mark.parametrize("place", PLACES)
def test_a_suite_that_is_killed_names_the_test_that_ran(adopt: Adopt, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_kills.py").write_text(
        "import os, signal\n\ndef test_kills():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = nox("-s", "unit-3.10", "--", "--place", place)
    assert told(ended) == 3
    assert "ended by SIGKILL while tests/test_kills.py::test_kills ran" in ended.output
    assert f"run it again: nox -s unit-3.10 -- --place {place} tests/test_kills.py::test_kills" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("failed", "killed")
    assert left_in_engine(nox) == []
