"""Quarantines and new tests, as a run gets them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from noxlib.config.detect import load_project
from noxlib.config.load import load_config
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.errors import ConfigError, RecordError
from noxlib.records import stable
from noxlib.records.history import History
from noxlib.sessions import quarantine, reruns

ENTRY = {"owner": "ada", "reason": "i12", "expires": "2999-12-31"}


def project(root: Path, **held: dict[str, str]) -> Project:
    (root / "test_a.py").touch()
    tests = {f"{name}.py::test_it": {**ENTRY, **entry} for name, entry in held.items()}
    return msgspec.structs.replace(load_project(root), config=msgspec.convert({"quarantine": tests}, Config))


def test_a_quarantine_holds_until_its_day_and_then_the_test_counts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thing = project(tmp_path, test_a={}, test_b={}, test_c={"expires": "2020-01-31"})
    assert quarantine.current(thing, warn=True) == ({"test": "test_a.py::test_it", **ENTRY},)
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "noxlib: the quarantine of test_b.py::test_it names no test: there is no test_b.py (ada)",
        "noxlib: the quarantine of test_c.py::test_it is over since 2020-01-31, and the test counts again (ada: i12)",
    ]
    assert len(quarantine.current(thing, warn=False)) == 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("line", "key"),
    [('owner = ""', "owner"), ('reason = " "', "reason"), ('expires = "soon"', "expires"), ("owner = 1", "owner")],
)
def test_a_quarantine_says_who_why_and_until_when(tmp_path: Path, line: str, key: str) -> None:
    given = {"owner": 'owner = "a"', "reason": 'reason = "b"', "expires": "expires = 2999-12-31", key: line}
    text = "\n".join(('[quarantine."t.py::test_a"]', *given.values()))
    (tmp_path / "noxlib.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"noxlib.toml: quarantine.t.py::test_a.{key}: expected"):
        load_config(tmp_path, {})


def test_a_day_may_be_written_as_toml_has_it(tmp_path: Path) -> None:
    (tmp_path / "noxlib.toml").write_text(
        '[quarantine."t.py::test_a"]\nowner = "a"\nreason = "b"\nexpires = 2999-12-31\n'
    )
    (entry,) = load_config(tmp_path, {}).quarantine.values()
    assert entry.expires == "2999-12-31"


def test_where_nothing_is_known_as_stable_no_test_counts_as_new(tmp_path: Path) -> None:
    assert reruns.of_new_tests(tmp_path, "integration", 5) == {}


def test_a_test_that_has_passed_once_in_its_suite_is_stable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"integration": ["aaaaaaaa", "bbbbbbbb"]}
    monkeypatch.setattr(stable, "digests", lambda _, suite: known.get(suite, []))
    assert reruns.of_new_tests(tmp_path, "integration", 5) == {"runs": 5, "stable": "aaaaaaaabbbbbbbb"}
    assert reruns.of_new_tests(tmp_path, "other", 5) == {}
    assert reruns.of_new_tests(tmp_path, "integration", 1) == {}


def test_a_history_that_is_locked_makes_no_test_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locked(_self: History, _question: object) -> None:
        raise RecordError("it has been locked by another process for 60 s", "wait for it")

    monkeypatch.setattr(History, "ask", locked)
    assert reruns.of_new_tests(tmp_path, "integration", 5) == {}
    assert "noxlib: it has been locked by another process for 60 s: no test counts as new" in capsys.readouterr().out
