"""What jobs of CI wrote of the platforms that they published, read by the job that joins them."""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import NoxlibError, PlaceError, UsageError
from noxlib.testground import recorded
from noxlib.testground.results import Result, outputs

ARM64 = Result("3.10", "host/name", "sha256:" + "1" * 64, (), platform="linux/arm64")


def test_what_jobs_wrote_is_found_together_whatever_folder_it_came_in(tmp_path: Path) -> None:
    for platform, digit in (("linux/amd64", "2"), ("linux/arm64", "1")):
        job = tmp_path / f"artifact-{digit}"
        job.mkdir()
        recorded.write(job, Result("3.10", "host/name", f"sha256:{digit * 64}", (), platform=platform))
        recorded.write(job, Result("3.11", "host/name", f"sha256:{digit * 64}", (), platform=platform))
    (tmp_path / "downloaded").mkdir()
    for job in tmp_path.glob("artifact-*"):
        (job / ".noxlib" / "platforms").rename(tmp_path / "downloaded" / job.name)
    found = list(recorded.read(tmp_path, ["downloaded"], "3.10"))
    assert [digest[-1] for digest, _ in found] == ["1", "2"]
    assert {told.python for _, told in found if told} == {"3.10"}


def test_a_checkout_reads_what_its_own_folder_has(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match=r"no \.noxlib/platforms here"):
        list(recorded.read(tmp_path, [], "3.10"))
    path = recorded.write(tmp_path, ARM64)
    assert path == tmp_path / ".noxlib" / "platforms" / "py3.10-linux-arm64.json"
    assert list(recorded.read(tmp_path, [], "3.10")) == [(ARM64.digest, ARM64)]
    assert list(recorded.read(tmp_path, [], "3.11")) == []
    assert list(recorded.read(tmp_path, [ARM64.digest], "3.10")) == [(ARM64.digest, None)]


@given(
    st.sampled_from(["digest", "platform", "python", "tags"]),
    st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=2) | st.just("sha256:../../etc/passwd"),
)
def test_a_file_that_somebody_changed_is_a_record_or_two_lines(tmp_path: Path, key: str, value: object) -> None:
    path = recorded.write(tmp_path, ARM64)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    found = []
    with contextlib.suppress(UsageError):
        found = list(recorded.read(tmp_path, [], "3.10"))
    assert all((digest, told and told.platform) == (ARM64.digest, ARM64.platform) for digest, told in found)


@pytest.mark.parametrize("text", ["", "[]", "[" * 9999, "\0", '{"python": "3.10"}'])
def test_a_file_that_is_none_is_told_by_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(UsageError, match=r"'x\.json' is no record of a platform"):
        list(recorded.read(tmp_path, ["x.json"], "3.10"))


def test_a_file_without_an_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UsageError, match="too large"):
        list(recorded.read(tmp_path, ["x.json"], "3.10"))


@given(st.text(max_size=200))
def test_no_word_is_taken_for_what_it_is_not(word: str) -> None:
    with pytest.raises(NoxlibError):
        list(recorded.read(Path("/nonexistent"), [word], "3.10"))


def test_the_outputs_of_one_platform_have_names_of_their_own() -> None:
    assert outputs(ARM64).splitlines()[1] == f"py310-linux-arm64-digest={ARM64.digest}"


def test_a_folder_that_cannot_be_searched_is_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Iterator[Path]:
        raise OSError(errno.EINVAL, "Invalid argument")  # as /proc does, of processes that end meanwhile

    monkeypatch.setattr(Path, "rglob", refuse)
    with pytest.raises(UsageError, match="cannot be searched: Invalid argument"):
        list(recorded.read(tmp_path, ["."], "3.10"))
