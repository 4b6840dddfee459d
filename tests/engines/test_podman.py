"""podman by its docker-compatible socket: built by its own command, run by the same API, nothing left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.config.files import read_toml
from noxlib.engines import images
from noxlib.engines.docker import Docker
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError
from noxlib.records import store

from .checks import began, left_of_state, rename, told
from .conftest import Nox, kill_group, wait_until
from .publishers import Publisher
from .registries import PASSWORD, USER, DebianServer, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]
Podman = Callable[..., Nox]

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "testbed" / "podman"
SOCKET = os.environ.get("NOXLIB_PODMAN_SOCKET", "/run/noxlib-podman/podman.sock")
URL = f"unix://{SOCKET}"

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def engine() -> Iterator[Docker]:
    """podman's service, started where it does not run yet."""
    subprocess.run([SCRIPT], check=True)
    docker = Docker.connect({"DOCKER_HOST": URL})
    assert docker.kind == "podman"
    yield docker
    docker.close()


@pytest.fixture
def podman(adopt: Adopt, engine: Docker) -> Iterator[Podman]:
    """Adopt a project whose engine is podman; its images go afterwards."""
    names: list[str] = []

    def adopted(project: str) -> Nox:
        nox = adopt(project)
        names.append(rename(nox))
        nox.environment["DOCKER_HOST"] = URL
        return nox

    yield adopted
    for name in names:
        listed = engine.images({"io.noxlib.project": name})
        for image in listed:
            subprocess.run(["podman", "--url", URL, "rmi", "--force", image["Id"]], check=True, capture_output=True)


def left(engine: Docker, nox: Nox) -> list[str]:
    """Containers and volumes of the runs of a project's folder, in podman."""
    runs = [run.name for run in store.runs(nox.folder)]
    found = [*engine.containers({"io.noxlib.run": ""}), *engine.volumes({"io.noxlib.run": ""})]
    return [str(thing) for thing in found if (thing.get("Labels") or {}).get("io.noxlib.run") in runs]


def test_unit_tests_run_in_podman_and_an_edit_rebuilds_nothing(podman: Podman, engine: Docker) -> None:
    nox = podman("flat")
    ended = nox("-s", "unit-3.10")
    assert ended.code == 0, ended.output
    place = nox.record.place
    assert place is not None
    assert (place.name, place.fallback) == ("container", False)
    assert f"podman {engine.version} answers at {URL}" in place.reason
    (nox.folder / "numbers_flat" / "__init__.py").write_text("raise SystemError('edited')\n")
    ended = nox("-s", "unit-3.10")
    assert ended.code == 1
    assert "edited" in ended.output
    assert not any(word in ended.output for word in ("building", "preparing", "locking", "copied"))
    assert left(engine, nox) == []


def test_a_dockerfile_with_an_error_is_shown_by_its_own_line(podman: Podman) -> None:
    nox = podman("flat")
    (nox.folder / "Dockerfile.test").write_text(
        "ARG PYTHON_VERSION=3.10\nFROM python:${PYTHON_VERSION}-slim\nRUN echo some words && sh -c 'exit 7'\n"
    )
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 3, ended.output
    assert "Dockerfile.test: RUN echo some words && sh -c 'exit 7' failed (exit code: 7)" in ended.output
    assert "  some words" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "build")


def test_what_a_killed_run_left_in_podman_is_removed(podman: Podman, engine: Docker, own_state: Path) -> None:
    nox = podman("hangs")
    nox.environment["NOXLIB_CACHE_DIR"] = str(own_state)
    process = nox.start("-s", "unit-3.10")
    wait_until(lambda: began(nox, "test_hangs"), "the test that hangs", 600)
    assert left(engine, nox) != []
    kill_group(process)
    process.communicate(timeout=300)
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert left(engine, nox) == []
    assert left_of_state(own_state) == []
    assert (nox.record.outcome, nox.record.counts.passed) == ("cancelled", 1)


AFTER = """
import http.server, urllib.request

def pages():
    return urllib.request.urlopen("http://pages:8000").status

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            status = pages()
        except OSError:
            status = 503
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

pages()
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""
MEETS = """
import pytest, urllib.error, urllib.request

def test_it_answers(bad_network):
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen("http://after:8000")
    bad_network("pages").use("good")
    urllib.request.urlopen("http://after:8000")
"""


def test_services_run_in_podman_in_the_order_of_their_health_and_meet_faults(podman: Podman, engine: Docker) -> None:
    nox = podman("flat")
    (nox.folder / "noxlib.toml").write_text('[compose_integration]\nselect = ""\n')
    (nox.folder / "tests" / "test_net.py").write_text(MEETS)
    pages = {"image": "python:3.10-slim", "command": ["python", "-m", "http.server", "8000"], "expose": ["8000"]}
    asks = "import urllib.request as it; it.urlopen('http://127.0.0.1:8000')"
    # It is asked every second, and has time to begin to listen: three times in vain would make it unhealthy.
    check = {"test": ["CMD", "python", "-c", asks], "interval": "1s", "start_interval": "1s", "start_period": "300s"}
    services = {
        "pages": {**pages, "healthcheck": check},
        "after": {
            **pages,
            "command": ["python", "-c", AFTER],
            "depends_on": {"pages": {"condition": "service_healthy"}},
        },
        "test-runner": {"image": "python:3.10-slim"},
    }
    (nox.folder / "docker-compose.test.yml").write_text(json.dumps({"services": services}))
    ended = nox("-s", "compose_integration-3.10", "--", "--fault", "pages:down")
    assert ended.code == 0, ended.output
    assert {service.name for service in nox.record.services} == {"pages", "after"}
    assert left(engine, nox) == []


@pytest.fixture
def trusted(tmp_path: Path) -> Iterator[DebianServer]:
    """A registry under TLS whose CA podman was given: it takes no plain text, of this machine neither."""
    server = DebianServer(tmp_path / "registry")
    server.start()
    given = Path("/etc/containers/certs.d") / server.host
    given.mkdir(parents=True)
    shutil.copy(server.ca, given / "ca.crt")
    yield server
    server.kill()
    shutil.rmtree(given)


def test_podman_pushes_to_a_registry_that_it_trusts_and_pulls_from_there(
    engine: Docker, trusted: DebianServer, registry_server: RegistryServer
) -> None:
    """And says of one in plain text what it lacks."""
    image = f"noxlibtest{uuid.uuid4().hex[:8]}:x"
    podman = ("podman", "--url", URL)
    content = subprocess.run(("tar", "-c", str(SCRIPT)), check=True, capture_output=True).stdout
    subprocess.run((*podman, "import", "-", image), input=content, check=True, capture_output=True)
    names = {server.host: f"{server.host}/tests/podman" for server in (trusted, registry_server)}
    try:
        for name in names.values():
            subprocess.run((*podman, "tag", image, f"{name}:x"), check=True, capture_output=True)
        known = Credentials(USER, PASSWORD)
        with pytest.raises(EngineError, match="HTTP response to HTTPS client") as told:
            images.push(f"{names[registry_server.host]}:x", engine, known)
        assert "registries.conf" in told.value.todo
        images.push(f"{names[trusted.host]}:x", engine, known)
        digest = trusted.repository("tests/podman").digest("x")
        found = engine.image(image)
        subprocess.run((*podman, "rmi", "--force", image), check=True, capture_output=True)
        images.pull(f"{names[trusted.host]}@{digest}", engine, known)
        pulled = engine.image(f"{names[trusted.host]}@{digest}")
        assert found is not None
        assert pulled is not None
        assert pulled.id == found.id
        subprocess.run((*podman, "rmi", "--force", pulled.id), check=True, capture_output=True)
    finally:
        listed = [image, *(f"{name}:x" for name in names.values())]
        subprocess.run((*podman, "rmi", "--force", "--ignore", *listed), check=False, capture_output=True)


def test_an_archive_is_loaded_by_podman_itself_and_by_us(podman: Podman, engine: Docker) -> None:
    nox = podman("flat")
    made = nox("-s", "testground_export", "--", "--python", "3.10")
    assert made.code == 0, made.output
    (image,) = project_images(engine, nox)
    for load in (
        ["podman", "--url", URL, "load", "--quiet", "--input", ".noxlib/testgrounds.tar.zst"],
        nox.argv("-s", "testground_load"),
    ):
        subprocess.run(["podman", "--url", URL, "rmi", "--force", image], check=True, capture_output=True)
        assert project_images(engine, nox) == []
        done = subprocess.run(load, cwd=nox.folder, env=nox.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert project_images(engine, nox) == [image]


def project_images(engine: Docker, nox: Nox) -> list[str]:
    """The ids of the testgrounds of a project that podman has."""
    listed = engine.images({"io.noxlib.python": ""})
    name = read_toml(nox.folder / "pyproject.toml")["project"]["name"]
    return [one["Id"] for one in listed if any(f"{name}-testground:" in tag for tag in one.get("RepoTags") or ())]


@pytest.mark.nightly
def test_a_testground_that_podman_publishes_is_pulled_by_podman_and_runs_the_tests(
    podman: Podman, engine: Docker, trusted: DebianServer
) -> None:
    publisher = Publisher(podman("flat"), trusted, "tests/podman")
    ended = publisher.publish()
    assert ended.code == 0, ended.output
    published = publisher.result()
    assert publisher.registry.digest("py3.10-main") == published["digest"]
    for image in engine.images({"io.noxlib.python": ""}):
        if any(name.startswith(publisher.image) for name in image.get("RepoTags") or ()):
            subprocess.run(["podman", "--url", URL, "rmi", "--force", image["Id"]], check=True, capture_output=True)
    pulled = publisher("testground_pull-3.10", "--", "main")
    assert pulled.code == 0, pulled.output
    assert publisher.result("pulled.json")["id"] == published["id"]
    ran = publisher("unit-3.10")
    assert ran.code == 0, ran.output
    assert publisher.nox.record.testground.digest == published["id"]
