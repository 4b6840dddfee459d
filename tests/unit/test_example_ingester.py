"""The example service keeps what its page says: how little adopts it, its peers' endpoints, its one lock."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from noxlib.config.files import read_toml
from noxlib.config.requirements import is_hashed
from noxlib.testground import dockerfile

EXAMPLE = Path(__file__).parents[2] / "examples" / "ingester"


@pytest.fixture
def pyproject() -> dict[str, Any]:
    return read_toml(EXAMPLE / "pyproject.toml")


def test_two_lines_and_at_most_ten_adopt_it() -> None:
    statements = [line for line in (EXAMPLE / "noxfile.py").read_text("utf-8").splitlines() if line]
    assert statements == ["import noxlib", "noxlib.register()"]
    text = (EXAMPLE / "pyproject.toml").read_text("utf-8")
    lines = text[text.index("[tool.noxlib]") : text.index("[tool.pytest")].splitlines()
    assert 0 < len([line for line in lines if line]) <= 10


def test_the_service_is_small() -> None:
    lines = [line for file in (EXAMPLE / "ingester").glob("*.py") for line in file.read_text("utf-8").splitlines()]
    assert 300 < len([line for line in lines if line.strip()]) <= 600


def test_its_mock_peers_answer_at_five_endpoints() -> None:
    files = sorted((EXAMPLE / "tests" / "mocks").glob("*.json"))
    expected = [one for file in files for one in json.loads(file.read_text("utf-8"))]
    answers = {
        (one["httpRequest"]["method"], one["httpRequest"]["path"]): one["httpResponse"]["statusCode"]
        for one in expected
    }
    assert [file.name for file in files] == ["admin-mock.json", "storage-mock.json"]
    assert answers == {
        ("POST", "/api/auth/token"): 200,
        ("GET", "/api/storage-elements"): 200,
        ("POST", "/api/v1/files/upload"): 201,
        ("DELETE", "/api/v1/files/.*"): 204,
        ("GET", "/api/v1/health/live"): 200,
    }


def test_its_lock_has_hashes_and_all_that_it_declares(pyproject: dict[str, Any]) -> None:
    text = (EXAMPLE / "requirements.txt").read_text("utf-8")
    assert is_hashed(text)
    locked = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}
    declared = [*pyproject["project"]["dependencies"], *pyproject["dependency-groups"]["test"]]
    assert {canonicalize_name(Requirement(one).name) for one in declared} <= locked


def test_what_is_deployed_has_no_compiler_and_no_tools_of_the_tests() -> None:
    """Its stage and the one below run nothing and take the service's own environment alone from the builder's."""
    stages: dict[str, list[dockerfile.Instruction]] = {}
    for one in dockerfile.instructions((EXAMPLE / "Dockerfile.test").read_text("utf-8")):
        if one.keyword == "FROM":
            name = one.rest.split()[-1]
            stages[name] = [one]
        elif stages:
            stages[name].append(one)
    assert stages["runtime"][0].rest.split()[0] == "base"
    assert "python:" in stages["base"][0].rest
    deployed = [*stages["base"], *stages["runtime"]]
    assert [one.rest for one in deployed if one.keyword == "RUN"] == []
    assert [one.rest for one in deployed if one.flags.get("from")] == ["/opt/venv /opt/venv"]
    (install,) = (one.rest for one in stages["builder"] if one.keyword == "RUN" and "uv venv" in one.rest)
    assert 'install /opt/venv "";' in install
