"""The files that tell a workflow what was published or pulled."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from noxlib.errors import RecordError
from noxlib.testground import results
from noxlib.testground.results import PUBLISHED, Result


def result(python: str) -> Result:
    return Result(python, "127.0.0.1:5000/o/d", "sha256:" + "0" * 64, ("py3.10-main",))


def test_pythons_that_are_published_at_once_stand_beside_each_other(tmp_path: Path) -> None:
    pythons = [f"3.{minor}" for minor in range(9, 15)]
    threads = [threading.Thread(target=results.write, args=(tmp_path, PUBLISHED, result(python))) for python in pythons]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.read(tmp_path, PUBLISHED) == {python: result(python) for python in pythons}
    assert (tmp_path / ".noxlib" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("text", ["", "[]", '{"testgrounds": {"3.10": 1}}'])
def test_a_file_that_is_none_counts_as_empty_and_is_written_anew(tmp_path: Path, text: str) -> None:
    results.own_folder(tmp_path)
    (tmp_path / ".noxlib" / PUBLISHED).write_text(text)
    assert results.read(tmp_path, PUBLISHED) == {}
    results.write(tmp_path, PUBLISHED, result("3.10"))
    assert set(results.read(tmp_path, PUBLISHED)) == {"3.10"}


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / ".noxlib").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="is a link"):
        results.write(checkout, PUBLISHED, result("3.10"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_workflow_is_told_by_outputs_that_need_no_quoting() -> None:
    digest = "sha256:" + "0" * 64
    assert results.outputs(result("3.10")) == f"py310-image=127.0.0.1:5000/o/d@{digest}\npy310-digest={digest}\n"


def test_a_file_that_cannot_be_written_is_two_lines_of_the_checkout(tmp_path: Path) -> None:
    (results.own_folder(tmp_path) / f"{PUBLISHED}.lock").mkdir()
    with pytest.raises(RecordError) as caught:
        results.write(tmp_path, PUBLISHED, result("3.10"))
    assert "the checkout is writable" in caught.value.todo
