"""Which record and which test are meant; what a record from elsewhere may make us do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from noxlib.errors import PlaceError, UsageError
from noxlib.records import store
from noxlib.records.record import Failure, PerformanceSection, Record, TestgroundSection
from noxlib.sessions import reproduce

DIGEST = "sha256:" + "0" * 64


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))


def record(run: str = "r", *tests: str, **changes: Any) -> Record:
    found = Record(
        run=run,
        session="unit-3.10",
        suite="unit",
        python="3.10",
        project="p",
        outcome="failed" if tests else "passed",
        failures=tuple(Failure(test, "call") for test in tests),
        testground=TestgroundSection(digest=DIGEST),
    )
    return msgspec.structs.replace(found, **changes)


def left(checkout: Path, *tests: str, **changes: Any) -> store.RunFolder:
    folder = store.new_run(checkout, "unit-3.10")
    store.write_record(folder, record(folder.name, *tests, **changes))
    return folder


def test_the_newest_failed_run_and_its_first_failure_are_meant(tmp_path: Path) -> None:
    left(tmp_path, "old")
    newer = left(tmp_path, "first", "second")
    left(tmp_path)
    left(tmp_path, "slow", performance=PerformanceSection("a", "b", 5, 5.0, 0.95))
    found = reproduce._find(tmp_path, ())
    assert (found.record.run, found.test) == (newer.name, "first")


def test_a_run_is_named_by_its_name_or_its_folder(tmp_path: Path) -> None:
    old = left(tmp_path, "old")
    left(tmp_path, "new")
    assert reproduce._find(tmp_path, (old.name,)).test == "old"
    assert reproduce._find(Path("/nonexistent"), (str(old.path),)).test == "old"


def test_names_of_a_record_from_elsewhere_are_text_alone(tmp_path: Path) -> None:
    folder = left(tmp_path, "old", session="\x1b[2Junit")
    assert reproduce._find(tmp_path, (folder.name,)).record.session == "\\x1b[2Junit"
    assert reproduce._find(tmp_path, ()).record.session == "\\x1b[2Junit"


def test_a_word_with_a_test_in_it_is_a_test_of_the_newest_failed_run(tmp_path: Path) -> None:
    left(tmp_path, "a.py::one")
    assert reproduce._find(tmp_path, ("a.py::two",)).test == "a.py::two"


def test_a_test_may_follow_a_run(tmp_path: Path) -> None:
    assert reproduce._find(tmp_path, (left(tmp_path).name, "a.py")).test == "a.py"


@pytest.mark.parametrize("words", [(), ("nope",), ("..",), ("a.py::b", "c.py::d")])
def test_what_is_not_there_is_refused_in_two_lines(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        reproduce._find(tmp_path, words)
    assert len(str(caught.value).splitlines()) == 2


def test_a_run_without_a_failure_needs_a_test(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no test failed"):
        reproduce._find(tmp_path, (left(tmp_path).name,))


@pytest.mark.parametrize("test", ["--pdb", "-c/tmp/evil.ini", "a.py::x[***]", "a\0b"])
def test_what_is_no_name_of_a_test_goes_to_no_pytest(test: str) -> None:
    with pytest.raises(UsageError, match="no test that can be named"):
        reproduce._check(reproduce.Recorded(record("r", test), test))


@pytest.mark.parametrize("digest", ["evil/image:latest", "sha256:xyz", DIGEST + "0", "-x", ""])
def test_what_is_no_digest_goes_to_no_engine(digest: str) -> None:
    found = record("r", "t", testground=TestgroundSection(digest=digest))
    with pytest.raises(UsageError, match="names no digest"):
        reproduce._check(reproduce.Recorded(found, "t"))


def test_a_run_without_an_image_says_what_to_do_instead() -> None:
    found = record("r", "t", testground=TestgroundSection())
    with pytest.raises(PlaceError) as caught:
        reproduce._check(reproduce.Recorded(found, "t"))
    assert "nox -s unit-3.10 -- t" in caught.value.todo


def test_seeds_are_set_again_and_nothing_else_is() -> None:
    named = {
        "PYTHONHASHSEED": "7",
        "randomly_seed": "123",
        "hypothesis_seed": "-4",
        "random_order_seed": "default",
        "seed=1 --pdb": "1",
        "other_seed": "1 --pdb",
    }
    assert reproduce.seeds(record("r", "t", seeds=named)) == ["--randomly-seed=123", "--hypothesis-seed=-4"]
