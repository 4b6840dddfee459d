"""``testground_lock -- --refresh`` without index, registry or service: each is told, and the summary is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.engines import pipaudit
from noxlib.engines.pipaudit import Audit, Vulnerability
from noxlib.errors import EngineError, LockError
from noxlib.sessions import placing, testground_lock
from noxlib.sessions.context import Context
from noxlib.testground import backend, resolve

PROJECT = """
[project]
name = "demo"
version = "1"
requires-python = ">=3.9"
[tool.noxlib]
pythons = ["3.10"]
mirrors = { "docker.io" = "127.0.0.1:9" }
"""
LOCK = 'lock-version = "1.0"\ncreated-by = "x"\n' + "".join(
    f'[[packages]]\nname = "{name}"\nversion = "1"\n' for name in ("pytest", "coverage")
)


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr(resolve, "dependencies", lambda *_: LOCK + '[[packages]]\nname = "new"\nversion = "2"\n')
    monkeypatch.setattr(backend, "requirements", lambda *_: ())  # which it would install to ask, from an index
    monkeypatch.setattr(resolve, "build", lambda *_: LOCK)
    monkeypatch.setattr(pipaudit, "audit", lambda pins: Audit(unknown=f"asked for {len(list(pins))}"))

    def absent() -> None:
        raise EngineError("no engine", "start one")

    monkeypatch.setattr(placing, "engine", absent)
    root = tmp_path / "demo"
    root.mkdir()
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "pylock.py310.toml").write_text(LOCK)
    return Context("testground_lock", "testground_lock", "", "", root, ("--refresh",))


def test_the_lock_is_renewed_and_what_could_not_be_asked_is_told(
    context: Context, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    testground_lock.run(context)
    assert 'name = "new"' in (context.root / "pylock.py310.toml").read_text()
    text = (context.root / ".noxlib" / "refresh.md").read_text()
    assert text == (tmp_path / "GITHUB_STEP_SUMMARY").read_text()
    assert "| added | new |  | 2 |" in text
    assert "Known vulnerabilities: could not be asked for, asked for 3." in text
    assert "Base image `python:3.10-slim`: not asked for, the registry 127.0.0.1:9 does not answer" in text
    assert (tmp_path / "GITHUB_OUTPUT").read_text() == "changed=true\n"
    output = capsys.readouterr().out
    assert "the registry 127.0.0.1:9 does not answer" in output
    assert "there is something newer" in output


def test_where_nothing_is_newer_there_is_nothing_to_propose(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "dependencies", lambda *_: LOCK)
    known = Audit((Vulnerability("pytest", "1", "PYSEC-1"),))
    monkeypatch.setattr(pipaudit, "audit", lambda _: known)
    testground_lock.run(context)
    assert "changed=false\n" in (tmp_path / "GITHUB_OUTPUT").read_text()
    assert "PYSEC-1" in (context.root / ".noxlib" / "refresh.md").read_text()


def test_a_lock_that_is_out_of_date_is_renewed_by_the_step_that_its_error_names(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    (context.root / "pyproject.toml").write_text(
        PROJECT.replace('version = "1"', 'version = "1"\ndependencies = ["new"]')
    )
    testground_lock.run(Context("testground_lock", "testground_lock", "", "", context.root, ()))
    assert 'name = "new"' in (context.root / "pylock.py310.toml").read_text()


def test_an_index_that_does_not_answer_leaves_the_lock_as_it_was(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> str:
        raise LockError("the package index cannot be reached", "check the network", cause="unreachable")

    monkeypatch.setattr(resolve, "dependencies", fails)
    with pytest.raises(LockError):
        testground_lock.run(context)
    assert (context.root / "pylock.py310.toml").read_text() == LOCK
