"""The life of a published testground beyond one push: races, rebuilds, the nearest one, TLS, a list, the doctor."""

from __future__ import annotations

import itertools
import subprocess
import threading
from typing import TYPE_CHECKING, Any, Callable

import pytest

from noxlib.engines.registry import Registry
from noxlib.engines.registryauth import Credentials
from noxlib.testground import names

from .between import Between
from .conftest import DEADLINE, Nox, wait_until
from .publishers import Publisher, publishing
from .registries import PASSWORD, USER, RegistryServer, TlsServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.registry, pytest.mark.docker]


def test_a_rebuild_of_a_release_stands_beside_it(publisher: Publisher) -> None:
    assert publisher.publish("refs/tags/v1.0.0").code == 0
    first = publisher.result()
    ended = publisher.publish("refs/tags/v1.0.0-r2", NOXLIB_PACKAGES="iniconfig==1.1.1")  # something has become newer
    assert ended.code == 0, ended.output
    rebuilt = publisher.result()
    assert rebuilt["digest"] != first["digest"]
    assert rebuilt["tags"] == ["py3.10-v1.0.0-r2", "py3.10-latest"]
    kept = {publisher.registry.digest(f"py3.10-{word}") for word in ("v1.0.0", publisher.head)}
    assert kept == {first["digest"]}
    again = publisher.publish("refs/tags/v1.0.0-r2")
    assert again.code == 0, again.output
    assert publisher.result()["digest"] == rebuilt["digest"]


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout.strip()


def another_build(publisher: Publisher, published: dict[str, Any]) -> str:
    """What a build of the same content would have given here, had it not been pulled: labels equal, id another."""
    container = docker("create", f"{publisher.image}@{published['digest']}", "true")
    image = docker("commit", container)
    docker("rm", container)
    publisher.forget()
    docker("tag", image, f"{publisher.image}:{names.fingerprint_tag('3.10', published['fingerprint'])}")
    return image


def test_a_build_that_somebody_else_published_meanwhile_is_dropped_for_theirs(publisher: Publisher) -> None:
    assert publisher.publish().code == 0
    theirs = publisher.result()
    image = another_build(publisher, theirs)
    publisher.commit("second")
    ended = publisher.publish()
    assert ended.code == 0, ended.output
    assert "was published first" in ended.output
    assert publisher.result()["digest"] == theirs["digest"]
    here = names.fingerprint_tag("3.10", theirs["fingerprint"])
    found = docker("image", "inspect", "--format", "{{.Id}}", f"{publisher.image}:{here}")
    assert found == theirs["id"] != image


def test_without_a_word_the_nearest_is_pulled_and_each_look_is_told(publisher: Publisher) -> None:
    assert publisher.publish().code == 0
    published = publisher.result()
    for tag in publisher.registry.tags():
        if names.read(tag).kind in ("fingerprint", "main"):
            assert publisher.registry.delete(tag)
    first = publisher.head
    publisher.commit("second")
    ended = publisher("testground_pull-3.10")
    assert ended.code == 0, ended.output
    told = [line for line in ended.output.splitlines() if line.startswith("noxlib: this") or "ancestor" in line]
    assert [line.endswith("is not published") for line in told] == [True, True, False], ended.output
    assert told[2] == f"noxlib: an ancestor with this fingerprint: py3.10-{first} is {published['digest']}"
    assert publisher.result("pulled.json")["digest"] == published["digest"]


def test_where_nothing_is_published_it_is_built_or_refused(publisher: Publisher) -> None:
    refused = publisher("testground_pull-3.10", "--", "--no-build")
    assert (refused.code, "leave --no-build out" in refused.output) == (1, True), refused.output
    built = publisher("testground_pull-3.10")
    assert (built.code, "(built here)" in built.output) == (0, True), built.output


def test_a_moving_tag_is_asked_for_and_fresh_drops_the_copy_here(publisher: Publisher) -> None:
    assert publisher.publish().code == 0
    assert publisher("testground_pull-3.10", "--", "main").code == 0
    old = publisher.result("pulled.json")["digest"]
    publisher.commit("second")
    assert publisher.publish(NOXLIB_PACKAGES="iniconfig==1.1.1").code == 0
    new = publisher.result()["digest"]
    assert publisher("testground_pull-3.10", "--", "main").code == 0
    assert publisher.result("pulled.json")["digest"] == new != old
    quiet = publisher("testground_pull-3.10", "--", "main")
    assert "noxlib: pulling" not in quiet.output
    fresh = publisher("testground_pull-3.10", "--", "--fresh", "main")
    assert (fresh.code, "noxlib: pulling" in fresh.output) == (0, True), fresh.output
    assert publisher.result("pulled.json")["digest"] == new


def test_what_is_published_is_listed_with_what_is_here(publisher: Publisher) -> None:
    assert publisher.publish("refs/tags/v1.1.0").code == 0
    published = publisher.result()
    (row,) = publisher.listing("testground_list")
    assert row["tags"][:2] == ["py3.10-latest", "py3.10-v1.1.0"]
    assert row["size"] > 1_000_000
    publisher.forget()
    table = publisher("testground_list")
    assert f"{published['digest'][7:19]} " in table.output
    assert "0 of them here" in table.output


def test_a_commit_runs_as_it_was_in_its_own_testground(publisher: Publisher) -> None:
    folder = publisher.nox.folder
    test = 'from importlib import metadata\n\n\ndef test_version():\n    assert metadata.version("iniconfig") == "{}"\n'
    (folder / "noxlib.toml").write_text('packages = ["iniconfig==1.1.1"]\n')
    (folder / "tests" / "test_version.py").write_text(test.format("1.1.1"))
    first = publisher.commit("old")
    assert publisher.publish("refs/heads/main").code == 0
    published = publisher.result()
    (folder / "noxlib.toml").write_text('packages = ["iniconfig==2.0.0"]\n')
    (folder / "tests" / "test_version.py").write_text(test.format("2.0.0"))
    publisher.commit("new")
    publisher.forget()
    ran = publisher("unit-3.10", "--", "--at", "HEAD~1", "-k", "test_version")
    assert ran.code == 0, ran.output
    record = publisher.nox.record
    assert (record.source.commit, record.testground.digest) == (first, published["id"])
    assert (record.counts.passed, record.testground.lock_source) == (1, "published")
    assert (folder / "tests" / "test_version.py").read_text() == test.format("2.0.0")
    built = publisher("unit-3.10", "--", "--at", "HEAD", "-k", "test_version")
    assert (built.code, "of the commit's own files" in built.output) == (0, True), built.output
    for words, said in ((("nope",), "names no commit"), (("HEAD", "--place", "venv"), "leave one of them out")):
        refused = publisher("unit-3.10", "--", "--at", *words)
        assert (refused.code, said in refused.output, "Traceback" in refused.output) == (1, True, False)


def findings(publisher: Publisher, **variables: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in publisher.listing("doctor", **variables)}


def test_the_doctor_tells_what_stands_between_us_and_the_registry(
    publisher: Publisher, registry_server: RegistryServer
) -> None:
    nobody = findings(publisher, NOXLIB_REGISTRY_USER="", NOXLIB_REGISTRY_PASSWORD="")
    assert "not logged in to 127.0.0.1" in nobody["registry"]["value"]
    wrong = findings(publisher, NOXLIB_REGISTRY_PASSWORD="wrong")
    assert f"does not take the password or token of {USER} (401)" in wrong["registry"]["value"]
    assert wrong["registry"]["fix"].startswith("check user and password")
    assert "has no tag of this commit" in findings(publisher)["published"]["value"]
    assert publisher.publish().code == 0
    assert publisher("testground_pull-3.10", "--", "main").code == 0
    assert "py3.10-main" not in findings(publisher)
    other = registry_server.put_image(publisher.registry.name, ["py3.10-main"], days=0)
    old = findings(publisher)["py3.10-main"]
    assert other[:19] in old["value"]
    assert old["fix"] == "nox -s testground_pull-3.10 -- main"


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[TlsServer]:
    server = TlsServer(tmp_path / "tls")
    server.start()
    yield server
    server.kill()


def test_a_registry_under_a_private_ca_is_trusted_by_the_bundle_or_by_what_docker_was_given(
    adopt: Adopt, tls: TlsServer, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And who logged in by docker gives no variables."""
    with publishing(adopt, tls, environment, "tls") as publisher:
        name = f"{publisher.registry.name}"
        assert publisher("testground_list").code == 0
        refused = publisher("testground_list", SSL_CERT_FILE="")
        assert (refused.code, "certificate that is not trusted here" in refused.output) == (1, True), refused.output
        own = {"NOXLIB_REGISTRY_USER": "", "NOXLIB_REGISTRY_PASSWORD": "", "DOCKER_CONFIG": str(tmp_path / "docker")}
        nobody = publisher("testground_list", **own)
        assert (nobody.code, "docker login" in nobody.output) == (1, True), nobody.output
        login = ("docker", "--config", own["DOCKER_CONFIG"], "login", "--username", USER, "--password-stdin", tls.host)
        subprocess.run(login, input=PASSWORD, text=True, check=True, capture_output=True)
        assert publisher("testground_list", **own).code == 0
    folder = tmp_path / "home" / ".config" / "docker" / "certs.d" / tls.host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text(tls.ca.read_text())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Registry(f"{tls.host}/{name}", Credentials(USER, PASSWORD)).tags() == ()


def test_two_who_publish_one_commit_at_once_agree_on_the_digest_of_one(
    publisher: Publisher, registry_server: RegistryServer, tmp_path: Path
) -> None:
    assert publisher.publish().code == 0
    publisher.commit("second")
    pushing, looking, giving = (threading.Barrier(2, timeout=DEADLINE) for _ in range(3))
    looks = itertools.count()

    def meet(method: str, path: str) -> None:
        """Neither gives the commit's tag before the other one found it absent, nor looks again before both gave it.

        One engine sends for both, one of whom may have to wait long: they come to that together.
        """
        tag = path.rpartition("/")[2]
        if method == "PUT" and names.read(tag).kind == "fingerprint":
            pushing.wait()
        elif tag != f"py3.10-{publisher.head}":
            return
        elif method == "PUT":
            giving.wait()
        elif method == "HEAD" and next(looks) < 2:
            looking.wait()
        elif method == "HEAD":
            wait_until(lambda: sum(one[:2] == ("PUT", path) for one in between.passed) >= 2, "both tags")

    with Between(registry_server) as between:
        between.spoil = meet
        one = publisher.through(between)
        two = one.beside(tmp_path / "other")
        versions = ("1.1.1", "2.0.0")
        wanted = [(each, {"NOXLIB_PACKAGES": f"iniconfig=={version}"}) for each, version in zip((one, two), versions)]
        assert [each("testground_build-3.10", **own).code for each, own in wanted] == [0, 0]  # neither waits for that
        both = [each.start(**own) for each, own in wanted]
        outputs = [process.communicate(timeout=2 * DEADLINE)[0] for process in both]
        one.forget()
    assert [process.returncode for process in both] == [0, 0], outputs
    results = [each.result() for each in (one, two)]
    winner = one.registry.digest(f"py3.10-{one.head}")
    assert [result["digest"] for result in results] == [winner, winner]
    assert sorted(result["uploaded"] for result in results) == [False, True]
    assert sum("was published first" in output for output in outputs) == 1
    assert one.registry.digest("py3.10-main") == winner
