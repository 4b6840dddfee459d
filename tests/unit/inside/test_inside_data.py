"""Test data: sizes to the byte, formats that other programs read, the same for the same seed."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import math
import tarfile
import zlib
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib import __main__ as program
from noxlib.inside import data, data_gzip, data_netcdf
from noxlib.inside.data_cache import DataError
from noxlib.inside.data_files import TestData

StartRun = Callable[..., Any]  # see conftest.py
MEBIBYTE = 1 << 20


@pytest.fixture
def test_data(tmp_path: Path) -> TestData:
    return TestData(str(tmp_path / "cache"))


def contents(what: data.Wanted) -> dict[str, bytes]:
    return {entry.name: b"".join(data.content(what, entry)) for entry in data.entries(what)}


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: opened.read() for member in archive if (opened := archive.extractfile(member))}


@given(size=st.integers(min_value=1, max_value=1 << 40), files=st.integers(min_value=1, max_value=3000))
def test_the_layout_is_the_seeds_and_sizes_come_to_the_whole(size: int, files: int) -> None:
    found = list(data.entries(data.Wanted("tar", size, files, compressible=False, seed=0)))
    assert sum(entry.size for entry in found) == size
    assert max(entry.size for entry in found) - min(entry.size for entry in found) <= 1
    for entry in found:
        folder = "data/output" if entry.number % 10 == 0 else "logs/run" if entry.number % 5 == 0 else "results/file"
        assert entry.name.startswith(f"{folder}_{entry.number:04d}.")


@pytest.mark.parametrize("compressible", [False, True])
def test_every_form_holds_the_same_files(test_data: TestData, compressible: bool) -> None:
    expected = contents(data.wanted("tar", 1.5, 21, compressible=compressible))
    assert {name.partition("/")[0] for name in expected} == {"data", "logs", "results"}
    packed = test_data.archive(1.5, 21, compressible=compressible)
    assert members(packed) == expected
    assert members(test_data.archive(1.5, 21, form="tar", compressible=compressible)) == expected
    folder = test_data.files(1.5, 21, compressible=compressible)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {str(path.relative_to(folder)): path.read_bytes() for path in files} == expected
    assert sum(map(len, expected.values())) == 1.5 * MEBIBYTE


def test_the_archive_is_one_gzip_member_as_every_reader_takes_it(test_data: TestData) -> None:
    whole = test_data.archive(3, 10).read_bytes()
    stream = zlib.decompressobj(31)
    tar = stream.decompress(whole)
    assert (stream.eof, stream.unused_data) == (True, b"")
    assert tar == gzip.decompress(whole) == test_data.archive(3, 10, form="tar").read_bytes()
    assert len(tar) % tarfile.RECORDSIZE == 0


@given(st.lists(st.tuples(st.binary(max_size=200_000), st.booleans()), max_size=12))
def test_any_pieces_come_back_from_gzip(pieces: list[tuple[bytes, bool]]) -> None:
    with data_gzip.Gzip() as compressed:
        whole = b"".join(compressed.stream(iter(pieces)))
    assert gzip.decompress(whole) == b"".join(piece for piece, _ in pieces)


def test_bytes_depend_on_the_seed_and_the_version_alone(test_data: TestData, tmp_path: Path) -> None:
    def digest(**values: Any) -> str:
        found = contents(data.wanted("tar", 0.1, 12, **values))
        return hashlib.sha256(b"".join(found[name] for name in sorted(found))).hexdigest()[:16]

    assert data.VERSION == 1  # where one of these changes, the version does
    assert digest() == digest() == "f4340377883a439a"
    assert digest(compressible=True) == "b60c3c176084b05d"
    assert digest(seed=1) == "8f46bed52726bb8f"
    other = TestData(str(tmp_path / "other")).archive(1, 10).read_bytes()
    assert other == test_data.archive(1, 10).read_bytes() != test_data.archive(1, 10, seed=1).read_bytes()


def test_data_are_as_compressible_as_was_asked() -> None:
    hard = b"".join(data.random(0, 1, 5 * MEBIBYTE))
    assert len({hard[at : at + 4096] for at in range(0, len(hard), 4096)}) == len(hard) // 4096
    assert len(lzma.compress(hard, preset=0)) > len(hard)
    easy = contents(data.wanted("tar", 2, 10, compressible=True))
    assert all(len(zlib.compress(content, 1)) < len(content) / 4 for content in easy.values())


@given(size=st.integers(min_value=data.LEAST, max_value=300_000))
def test_a_netcdf_file_has_its_size_and_another_reader_reads_it(size: int) -> None:
    from scipy.io import netcdf_file  # type: ignore[import-untyped,unused-ignore]

    what = data.Wanted("nc", size, 1, compressible=True, seed=5)
    found = b"".join(data.content(what, next(data.entries(what))))
    assert len(found) == size
    with netcdf_file(io.BytesIO(found)) as file:
        times = file.dimensions["time"]
        assert file.variables["temperature"].shape == (times, data_netcdf.LATITUDES, data_netcdf.LONGITUDES)
        assert file.variables["time"][:].tolist() == list(range(times))
        assert file.variables["lat"][:].tolist()[::7] == [-87.5, 87.5]
        assert file.variables["lon"][:].tolist()[::15] == [0.0, 337.5]
        assert file.variables["temperature"].units == b"K"
        packed = file.variables["temperature"].data.tobytes()
        assert packed == b"".join(data.repeated(data.smooth(5, 0), len(packed)))


def test_a_large_netcdf_file_says_where_its_field_ends() -> None:
    shape = data_netcdf.shape(6 << 30)  # its own size does not fit the field that tells it
    assert data_netcdf.field_size(shape) > data_netcdf.LONG
    assert len(shape.header) + shape.times * 8 + data_netcdf.COORDINATES + data_netcdf.field_size(
        shape
    ) + shape.rest == (6 << 30)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"form": "zip"}, "there is no form 'zip'; there are tar.gz, tar, files, nc"),
        ({"mb": 0}, "a number of MB above 0"),
        ({"mb": -3}, "a number of MB above 0"),
        ({"mb": math.nan}, "a number of MB above 0"),
        ({"mb": math.inf}, "a number of MB above 0"),
        ({"mb": 1e30}, "at most 16777216"),
        ({"mb": "10"}, "a number of MB above 0"),
        ({"mb": True}, "a number of MB above 0"),
        ({"files": 0}, "a whole number from 1 to"),
        ({"files": 1.5}, "a whole number from 1 to"),
        ({"files": 10**9}, "a whole number from 1 to"),
        ({"mb": 0.01, "files": 100}, "0.01 MB are too few for 100 files: each has at least"),
        ({"seed": -1}, "the seed must be a whole number"),
        ({"seed": 1 << 63}, "the seed must be a whole number"),
        ({"seed": "x"}, "the seed must be a whole number"),
    ],
)
def test_sizes_of_nonsense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.wanted(**values)


def test_a_sparse_file_is_large_and_takes_no_space(test_data: TestData, tmp_path: Path) -> None:
    path = test_data.sparse(tmp_path / "large", 7)
    assert path.stat().st_size == 7 << 30
    assert path.stat().st_blocks * 512 < MEBIBYTE
    with path.open("rb") as stream:
        for at in (0, 7 << 29, (7 << 30) - 6):
            stream.seek(at)
            assert stream.read(6) == b"noxlib"


@pytest.mark.parametrize("size", [0, -1, math.nan, "1"])
def test_a_sparse_file_of_nonsense_is_refused(test_data: TestData, tmp_path: Path, size: Any) -> None:
    with pytest.raises(ValueError, match="a number of GB above 0"):
        test_data.sparse(tmp_path / "x", size)
    assert not (tmp_path / "x").exists()


def test_a_remote_file_needs_its_hash_and_pooch(test_data: TestData, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="needs its SHA-256"):
        test_data.remote("http://127.0.0.1:9/x.nc", "md5:1234")
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(DataError, match="pooch is not installed here\n  add pooch"):
        test_data.remote("http://127.0.0.1:9/x.nc", "0" * 64)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """``python -m noxlib data`` with a cache of its own: exit code, output, errors."""
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("NOXLIB_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = program.main(["data", *words])
        told = capfd.readouterr()
        return code, told.out.strip(), told.err.strip()

    return run


def test_the_command_prints_where_the_data_are(command: Callable[..., Any], tmp_path: Path) -> None:
    code, out, err = command("--mb", "0.5", "--files", "11")
    assert (code, err) == (0, "")
    assert Path(out).is_relative_to(tmp_path / "state" / "data") if hasattr(Path, "is_relative_to") else True
    assert len(members(Path(out))) == 11
    assert command("--mb", "0.5", "--files", "11")[1] == out


def test_the_command_writes_to_a_path_whole_or_not_at_all(command: Callable[..., Any], tmp_path: Path) -> None:
    words = ("--format", "files", "--mb", "0.1", "--files", "3", "--output", "here")
    assert command(*words) == (0, str(tmp_path / "here"), "")
    assert len([path for path in (tmp_path / "here").rglob("*") if path.is_file()]) == 3
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert err == f"noxlib: {tmp_path / 'here'}: it is there already\n  choose another --output"
    code, _, err = command("--output", "absent/x.tar.gz")
    assert (code, err) == (
        2,
        f"noxlib: {tmp_path}/absent/x.tar.gz: No such file or directory\n  choose another --output",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mb", "-1"), "noxlib: the size must be a number of MB above 0"),
        (("--format", "sparse"), "noxlib: a sparse file needs --output"),
        (("--output", ""), "noxlib: --output was given an empty value"),
        (("--format", "zip"), "invalid choice: 'zip'"),
        (("--mb", "ten"), "invalid float value: 'ten'"),
    ],
)
def test_the_command_refuses_nonsense(command: Callable[..., Any], words: tuple[str, ...], message: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert message in err


def test_the_fixture_gives_all_tests_of_a_run_the_same(run: StartRun, tmp_path: Path) -> None:
    profile = {"name": "local", "timeout_multiplier": 1.0, "concurrent": 8, "large_files": True, "backends": ["file"]}
    whole = {**profile, "network_simulation": False, "reason": "by the test", "test_timeout": 600.0}
    environment = {"NOXLIB_DATA_DIR": "", "NOXLIB_CACHE_DIR": ""}
    done = run("research_data", "--noxlib-leaks=fail", profile=whole, environment=environment)
    assert (done.code, done.counts) == (0, {"passed": 5}), done.output
    (asked,) = tmp_path.glob("data/entries/*/files/asked")  # beside the run's result, and nowhere else
    assert sorted(asked.read_text().split()) == ["0", "1", "2", "3"]
