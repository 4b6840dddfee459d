"""The steps beside ``unit``, as a user runs them on a small project."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Callable

import pytest

from .conftest import Nox

Adopt = Callable[..., Nox]

pytestmark = pytest.mark.docker


def test_coverage_of_two_pythons_in_two_places_is_one_report_of_the_checkout(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    assert nox("-s", "unit-3.10", "--", "--coverage", "--place", "container").code == 0
    assert nox("-s", "unit-3.12", "--", "--coverage", "--place", "venv").code == 0
    ended = nox("-s", "coverage")
    assert ended.code == 0, ended.output
    folder = nox.folder / ".noxlib" / "coverage"
    files = json.loads((folder / "coverage.json").read_text())["files"]
    assert all((nox.folder / name).is_file() for name in files)
    assert any(name.startswith("src/letters/") for name in files)
    assert float(ET.parse(folder / "coverage.xml").getroot().attrib["line-rate"]) > 0
    assert (folder / "html" / "index.html").is_file()
    assert (folder / "badge.svg").read_text().startswith("<svg")


def test_coverage_below_what_is_demanded_fails(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    with (nox.folder / "pyproject.toml").open("a") as stream:
        stream.write("\n[tool.coverage.report]\nfail_under = 100\n")
    (nox.folder / "src" / "letters" / "unused.py").write_text("def never() -> int:\n    return 1\n")
    (nox.folder / "tests" / "test_more.py").write_text(
        "import letters.unused\n\n\ndef test_import() -> None:\n    pass\n"
    )
    assert nox("-s", "unit-3.10", "--", "--place", "venv").code == 0
    ended = nox("-s", "coverage")
    assert ended.code == 1
    assert "below fail_under = 100" in ended.output


def test_coverage_without_any_says_how_to_get_some(adopt: Adopt) -> None:
    ended = adopt("flat")("-s", "coverage")
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert "nox -s unit" in ended.output


def test_a_lock_in_the_checkout_is_the_one_that_is_used(adopt: Adopt) -> None:
    nox = adopt("src_layout", configuration='pythons = ["3.10", "3.12"]\n')
    ended = nox("-s", "testground_lock")
    assert ended.code == 0, ended.output
    assert sorted(path.name for path in nox.folder.glob("pylock*")) == ["pylock.py310.toml", "pylock.py312.toml"]
    assert nox("-s", "unit-3.10").code == 0
    assert nox.record.testground.lock_source == "pylock"


def test_an_unchanged_testground_is_built_once(adopt: Adopt) -> None:
    nox = adopt("flat", configuration='packages = ["iniconfig"]\n')
    first, second = (nox("-s", "testground_build-3.11") for _ in range(2))
    assert first.code == second.code == 0, first.output
    assert "building" not in second.output
    assert _image(first.output) == _image(second.output)
    shown = nox("-s", "testground_build-3.11", "--", "--dry-run")
    assert shown.code == 0
    assert "would build" in shown.output


def _image(output: str) -> str:
    return next(line for line in output.splitlines() if line.startswith("testground_build-3.11: "))


def test_doctor_knows_the_project_and_the_machine(adopt: Adopt) -> None:
    ended = adopt("src_layout")("-s", "doctor", "--", "--json")
    assert ended.code == 0, ended.output
    text = ended.output[ended.output.index("[") : ended.output.rindex("]") + 1]
    findings = {finding["name"]: finding for finding in json.loads(text)}
    assert findings["engine"]["ok"]
    assert findings["builder"]["ok"]
    assert findings["python 3.10"]["value"].endswith("python3.10")
    assert "dependency-groups" in findings["groups"]["value"]
    of_later_places = {"registry", "compose", "ssh", "qemu", "kvm", "vmtest", "slurm", "apptainer"}
    assert of_later_places <= set(findings)
    assert [name for name in of_later_places if not findings[name]["ok"] and not findings[name]["fix"]] == []


def test_doctor_fails_only_for_what_the_configuration_needs(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    gone = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    assert nox("-s", "doctor", **gone).code == 0
    ended = nox("-s", "doctor", **gone, NOXLIB_PLACE="container")
    assert ended.code == 1
    assert "MISSING" in ended.output
    assert "fix:" in ended.output


def test_lint_compiles_where_nothing_is_configured(adopt: Adopt) -> None:
    nox = adopt("flat")
    assert nox("-s", "lint").code == 0
    (nox.folder / "broken.py").write_text("def (\n")
    ended = nox("-s", "lint")
    assert ended.code == 1
    assert "broken.py" in ended.output
    assert not list(nox.folder.rglob("__pycache__"))


@pytest.mark.parametrize("step", ["types", "docs", "bench"])
def test_a_check_that_has_no_subject_is_not_green(adopt: Adopt, step: str) -> None:
    ended = adopt("flat")("-s", step)
    assert ended.code == 1
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(
    "step", ["unit-3.10", "testground_build-3.10", "testground_lock", "reap", "doctor", "coverage"]
)
def test_every_step_explains_itself(adopt: Adopt, step: str) -> None:
    ended = adopt("flat")("-s", step, "--", "--help")
    assert ended.code == 0
    assert f"usage: nox -s {step}" in ended.output


def test_tags_pythons_and_keywords_of_nox_work(adopt: Adopt) -> None:
    nox = adopt("flat")
    listed = nox("-l", "--json")
    names = {session["session"] for session in json.loads(listed.output[listed.output.index("[") :].splitlines()[0])}
    assert {f"unit-3.{minor}" for minor in (9, 10, 11, 12)} == names  # those that a bare `nox` runs
    for words in (("-t", "care"), ("-k", "doctor"), ("-p", "3.10", "-s", "testground_build-3.10")):
        assert nox(*words).code == 0, words
    assert nox("-s", "unti-3.10").code != 0
