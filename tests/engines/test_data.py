"""Test data met by what reads, fetches and refuses them for real: netCDF4, xarray, pooch, tar, gzip, a full disk."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noxlib.engines import uv
from noxlib.inside import data_netcdf
from noxlib.inside.data_cache import DataError
from noxlib.inside.data_files import TestData

from .conftest import Nox

pytestmark = pytest.mark.data

INSIDE = Path(data_netcdf.__file__).parent
READ = """
import json, sys
import netCDF4, xarray
for path in sys.argv[1:]:
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        packed = file["temperature"][:]
        found = {"model": file.data_model, "shape": packed.shape, "sum": int(packed.astype("int64").sum())}
    with xarray.open_dataset(path) as dataset:
        kelvin = dataset["temperature"]
        found["dims"], found["second"] = list(kelvin.dims), str(dataset["time"].values[1])[:16]
        found["mean"], found["units"] = float(kelvin.mean(dtype="float64")), kelvin.attrs["units"]
    print(json.dumps(found))
"""
FETCH = """
import sys
sys.path.append(sys.argv[1])
from inside.data_files import DataError, TestData
try:
    print(TestData(sys.argv[2]).remote(sys.argv[3], sys.argv[4]))
except DataError as error:
    raise SystemExit(str(error))
"""


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the readers, from the package index."""
    folder = tmp_path_factory.mktemp("readers") / "venv"
    uv.create_environment(folder, sys.executable)
    uv.install_requirements(folder, ["netCDF4", "xarray", "pooch"], folder.parent)
    return folder / "bin" / "python"


@pytest.fixture
def test_data(tmp_path: Path) -> TestData:
    return TestData(str(tmp_path / "cache"))


def test_netcdf4_and_xarray_read_the_files(readers: Path, test_data: TestData) -> None:
    paths = [str(test_data.netcdf(2, compressible=compressible)) for compressible in (False, True)]
    argv = [str(readers), "-c", READ, *paths]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    times = data_netcdf.shape(2 << 20).times
    cells = times * data_netcdf.LATITUDES * data_netcdf.LONGITUDES
    assert len(done.stdout.splitlines()) == 2
    for found in map(json.loads, done.stdout.splitlines()):
        assert found["model"] == "NETCDF3_64BIT_OFFSET"
        assert found["shape"] == [times, data_netcdf.LATITUDES, data_netcdf.LONGITUDES]
        assert (found["dims"], found["second"], found["units"]) == (["time", "lat", "lon"], "2024-01-01T01:00", "K")
        assert found["mean"] == pytest.approx(273.15 + 0.002 * found["sum"] / cells, abs=0.01)


def test_tar_and_gzip_read_an_archive(test_data: TestData) -> None:
    path = test_data.archive(4, 30)
    subprocess.run(["gzip", "--test", path], check=True, timeout=300)
    listed = subprocess.run(["tar", "-tzf", path], check=True, capture_output=True, text=True, timeout=300).stdout
    assert len(listed.splitlines()) == 30
    assert listed.splitlines()[:2] == ["data/output_0000.nc", "results/file_0001.dat"]


@pytest.mark.docker
def test_what_a_run_makes_the_next_one_finds(own_state: Path, adopt: Callable[..., Nox]) -> None:
    nox = adopt("flat")
    tests = nox.folder / "tests" / "integration"
    tests.mkdir()
    (tests / "test_archive.py").write_text("def test_it(test_data):\n    test_data.archive(1, 20)\n")
    made = set()
    for place in ("container", "venv", "container"):
        ended = nox("-s", "integration-3.10", "--", "--place", place)
        assert ended.code == 0, ended.output
        made |= {entry.stat().st_ino for entry in (own_state / "data" / "entries").iterdir()}
    assert len(made) == 1
    assert list((nox.folder / ".noxlib" / "runs").glob("*/data")) == []


@pytest.fixture
def small_disk(disk: Callable[[str, int], Path]) -> Path:
    """A file system of 4 MiB."""
    return disk("small", 4 * 1024)


@pytest.mark.parametrize("form", ["tar.gz", "tar", "files", "nc"])
def test_a_disk_that_fills_up_is_told_and_nothing_is_left_on_it(small_disk: Path, form: str) -> None:
    test_data = TestData(str(small_disk / "cache"))
    makers: dict[str, Callable[[], Path]] = {
        "files": lambda: test_data.files(10, 20),
        "nc": lambda: test_data.netcdf(10),
        "tar": lambda: test_data.archive(10, 20, form="tar"),
        "tar.gz": lambda: test_data.archive(10, 20),
    }
    with pytest.raises(DataError, match=r"the disk with .* is full\n  free space there, or set NOXLIB_DATA_DIR"):
        makers[form]()
    assert list((small_disk / "cache" / "building").iterdir()) == []
    assert list((small_disk / "cache" / "entries").iterdir()) == []
    assert test_data.archive(1, 20).is_file()


class Server(http.server.ThreadingHTTPServer):
    """Gives one file, and remembers who asked."""

    content = b"remote " * 10_000
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(Server.content)))
        self.end_headers()
        self.wfile.write(Server.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as found:
        found.asked = []
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_pooch_fetches_a_remote_file_once_and_only_with_its_hash(readers: Path, server: Server, tmp_path: Path) -> None:
    def start(name: str, known_hash: str) -> subprocess.Popen[str]:
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        argv = [str(readers), "-c", FETCH, str(INSIDE.parent), str(tmp_path / "cache"), url, known_hash]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    right = hashlib.sha256(Server.content).hexdigest()
    fetching = [start("sea%20ice.nc", right) for _ in range(4)]
    paths = {process.communicate(timeout=300)[0].strip() for process in fetching}
    assert [process.returncode for process in fetching] == [0] * 4
    (path,) = paths
    assert (Path(path).name, Path(path).read_bytes()) == ("sea-20ice.nc", Server.content)
    assert server.asked == ["/sea%20ice.nc"]
    wrong = start("other.nc", "0" * 64)
    told = wrong.communicate(timeout=300)[1]
    assert wrong.returncode == 1
    assert "other.nc cannot be fetched: " in told
    assert "SHA-256" in told.splitlines()[-1]
    assert [entry.name for entry in (tmp_path / "cache" / "building").iterdir()] == []
