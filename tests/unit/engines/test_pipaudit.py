"""What pip-audit prints, as it did. Its services cannot be reached from everywhere, and that is no failure."""

from __future__ import annotations

import json

import pytest

from noxlib.engines import pipaudit
from noxlib.engines.pipaudit import Audit, Vulnerability

FOUND = {
    "dependencies": [
        {"name": "toml", "version": "0.10.2", "vulns": []},
        {"name": "left", "skip_reason": "Dependency not found on PyPI and could not be audited: left (1)"},
        {
            "name": "jinja2",
            "version": "2.10",
            "vulns": [
                {"id": "PYSEC-2021-66", "fix_versions": ["2.11.3"], "aliases": [], "description": "…"},
                {"id": "GHSA-0", "fix_versions": [], "aliases": [], "description": "…"},
            ],
        },
    ],
    "fixes": [],
}
BEHIND_A_MIRROR = {
    "dependencies": [
        {"name": "toml", "skip_reason": "Dependency not found on PyPI and could not be audited: toml (0.10.2)"}
    ],
    "fixes": [],
}


def test_what_is_known_is_read_with_the_versions_that_mend_it() -> None:
    assert pipaudit.read(json.dumps(FOUND), "Found 2 known vulnerabilities") == Audit(
        (Vulnerability("jinja2", "2.10", "GHSA-0"), Vulnerability("jinja2", "2.10", "PYSEC-2021-66", ("2.11.3",))),
        ("left",),
    )


def test_a_service_that_knows_no_package_at_all_has_said_nothing() -> None:
    found = pipaudit.read(json.dumps(BEHIND_A_MIRROR), "No known vulnerabilities found")
    assert "not found on PyPI" in found.unknown
    assert found.found == ()


@pytest.mark.parametrize("stdout", ["", "[]", '{"dependencies": 3}', '{"dependencies": [{"name": "x"}]}'])
def test_what_is_no_answer_is_told_by_the_last_line_of_its_error(stdout: str) -> None:
    assert (
        pipaudit.read(stdout, "WARNING: x\nConnectionError: nobody there\n").unknown == "ConnectionError: nobody there"
    )
    assert pipaudit.read(stdout, "").unknown == "it said nothing"


def test_nothing_is_asked_for_nothing() -> None:
    assert pipaudit.audit([]) == Audit()


def test_offline_nothing_is_asked_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_OFFLINE", "1")
    monkeypatch.setattr("noxlib.engines.process.run", None)
    assert pipaudit.audit([("toml", "0.10.2")]) == Audit(unknown="NOXLIB_OFFLINE is set")
