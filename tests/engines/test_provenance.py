"""What is attached to a published testground, on two registries; what differs between two, and from a rebuild."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noxlib.engines import blobs, images, referrers
from noxlib.engines.docker import Docker
from noxlib.engines.referrers import Part
from noxlib.engines.registry import Manifest, Registry
from noxlib.engines.registryauth import Credentials
from noxlib.engines.versions import RegistryStore
from noxlib.errors import EngineError
from noxlib.ledger import state_folder
from noxlib.testground import attachments, lock, remote, retention, retention_apply, survey
from noxlib.testground.retention_rules import Rules
from tests.unit.testground.test_sbom import validate

from .apptainers import assert_runs, with_apptainer
from .publishers import Publisher
from .registries import PASSWORD, USER, OtherServer, ReferringServer, RegistryServer

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [pytest.mark.registry, pytest.mark.docker]

TYPE = "application/vnd.example.note.v1"


@pytest.fixture(scope="module", params=[RegistryServer, OtherServer, ReferringServer])
def any_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """Distribution, and go-containerregistry without and with a list of referrers."""
    server = request.param(tmp_path_factory.mktemp("registry") / "any").start()
    yield server
    server.kill()


def image_in(server: RegistryServer, name: str, days: float = 0.0) -> Manifest:
    found = server.repository(name).manifest(server.put_image(name, ["py3.10-main"], days=days))
    assert found is not None
    return found


def noted(registry: Registry, image: Manifest, text: str) -> referrers.Attachment:
    data = text.encode()
    part = Part("text/plain", blobs.send(registry, data), len(data), {referrers.TITLE: "note"})
    return referrers.attach(registry, image, TYPE, [part], {"io.example.text": text})


def test_what_is_attached_is_listed_and_read_back(any_server: RegistryServer) -> None:
    registry, image = any_server.repository("owner/noted"), image_in(any_server, "owner/noted")
    assert referrers.of(registry, image.digest) == ()
    made = noted(registry, image, "one")
    assert noted(registry, image, "one") == made
    other = referrers.attach(registry, image, "application/vnd.example.empty.v1", [])
    assert {one.digest for one in referrers.of(registry, image.digest)} == {made.digest, other.digest}
    assert referrers.of(registry, image.digest, TYPE) == (made,)
    (part,) = referrers.parts(registry, made, image.digest)
    assert (part.title, blobs.read(registry, part.digest, part.size)) == ("note", b"one")
    own_list = registry.ask("GET", f"referrers/{image.digest}").ok
    assert own_list is isinstance(any_server, ReferringServer)


def test_writers_of_one_list_at_once_lose_nothing(registry_server: RegistryServer) -> None:
    image = image_in(registry_server, "owner/together")
    made: list[str] = []
    threads = [
        threading.Thread(
            target=lambda n=n: made.append(noted(registry_server.repository("owner/together"), image, str(n)).digest)
        )
        for n in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.digest for one in referrers.of(registry_server.repository("owner/together"), image.digest)} == set(made)
    assert len(made) == 5


class Overwritten(Registry):
    """Somebody elsewhere, who has read the list before us, writes it right after we did, for the first time."""

    theirs: Manifest
    raced = False

    def put(self, tag: str, manifest: Manifest) -> None:
        super().put(tag, manifest)
        if not self.raced:
            self.raced = True
            super().put(tag, self.theirs)


def test_a_list_that_another_writer_overwrote_is_written_again_with_both(registry_server: RegistryServer) -> None:
    name = "owner/overwritten"
    plain, image = registry_server.repository(name), image_in(registry_server, name)
    theirs = noted(plain, image, "theirs")
    raced = Overwritten(f"{registry_server.host}/{name}", Credentials(USER, PASSWORD))
    found = plain.manifest(referrers.tag(image.digest))
    assert found is not None
    raced.theirs = found
    ours = noted(raced, image, "ours")
    assert {one.digest for one in referrers.of(plain, image.digest)} == {ours.digest, theirs.digest}


def test_what_is_attached_to_a_kept_image_is_kept_and_goes_with_it(registry_server: RegistryServer) -> None:
    name = "owner/kept"
    registry, image = registry_server.repository(name), image_in(registry_server, name, days=10)
    attached = noted(registry, image, "one")
    store = RegistryStore(registry)

    listed = str(registry.digest(referrers.tag(image.digest)))
    every = {image.digest, attached.digest, listed}

    def decided(rules: Rules, now: float) -> tuple[tuple[retention.Version, ...], tuple[retention.Decision, ...]]:
        versions = survey.survey(store, lambda _: {})
        return versions, retention.decide(versions, rules, now)

    _, kept = decided(Rules(), time.time())
    assert {decision.digest: decision.action for decision in kept} == dict.fromkeys(every, "keep")
    versions, gone = decided(Rules(keep_last=0), time.time() + 100 * 86400)
    assert {decision.digest: decision.action for decision in gone} == dict.fromkeys(every, "delete")
    carrying = retention_apply.Carrying(store, versions, gone)
    carrying.apply(gone, lambda *_: None)
    assert ({decision.digest for decision in carrying.gone}, carrying.failures) == (every, [])
    assert [registry.digest(digest) for digest in every] == [None, None, None]


def test_a_damaged_attachment_is_told_in_two_lines(registry_server: RegistryServer) -> None:
    name = "owner/damaged"
    registry, image = registry_server.repository(name), image_in(registry_server, name)
    other = image_in(registry_server, "owner/damaged-other", days=3)
    made = noted(registry, image, "one")
    with pytest.raises(EngineError, match="is damaged"):  # it says itself that it belongs to another one
        referrers.parts(registry, made, other.digest)
    registry_server.damage(name, made.digest)
    with pytest.raises(EngineError, match="listed, and not there"):
        referrers.parts(registry, made, image.digest)
    entry = '{"digest": "../x", "size": 1, "mediaType": "a/b"}'
    broken = f'{{"schemaVersion": 2, "mediaType": "{referrers.INDEX}", "manifests": [{entry}]}}'.encode()

    class Broken(Registry):
        def manifest(self, reference: str) -> Manifest:
            return Manifest(referrers.INDEX, broken, reference)

    with pytest.raises(EngineError, match="is damaged"):
        referrers.of(Broken(registry.image, Credentials(USER, PASSWORD)), image.digest)


def sbom_of(publisher: Publisher, digest: str) -> dict[str, Any]:
    (listed,) = referrers.of(publisher.registry, digest, attachments.SBOM)
    (part,) = referrers.parts(publisher.registry, listed, digest)
    found: dict[str, Any] = json.loads(blobs.read(publisher.registry, part.digest, part.size))
    return found


def told(output: str) -> Any:
    """The JSON that a session printed."""
    lines = [line for line in output.splitlines() if not line.startswith(("nox >", "noxlib:", "  ["))]
    return json.JSONDecoder().raw_decode("\n".join(lines))[0]


def test_lock_and_sbom_are_attached_compared_and_the_lock_comes_back_with_the_image(publisher: Publisher) -> None:
    configuration = publisher.nox.folder / "noxlib.toml"
    configuration.write_text('packages = ["sniffio==1.3.1", "toml==0.10.1"]\n')
    publisher.commit("old")
    assert publisher.publish("refs/tags/v1.1.0").code == 0
    registry, digest = publisher.registry, publisher.result()["digest"]
    assert attachments.types(registry, digest) == {attachments.LOCK, attachments.SBOM}
    validate(json.dumps(sbom_of(publisher, digest)))
    manifest = registry.manifest(digest)
    assert manifest is not None
    labels = remote.labels(registry, manifest)
    (attached,) = referrers.of(registry, digest, attachments.LOCK)
    assert attached.annotations["io.noxlib.lock-digest"] == labels["io.noxlib.lock-digest"]
    again = publisher.publish("refs/tags/v1.1.0")
    assert (again.code, "already there" in again.output) == (0, True), again.output
    assert len(referrers.of(registry, digest)) == 2
    check_attached_sif(publisher, manifest, labels)
    configuration.write_text('packages = ["toml==0.10.2"]\n')
    publisher.commit("new")
    assert publisher.publish().code == 0
    publisher.forget()
    ended = publisher("testground_diff", "--", "--python", "3.10", "--json", "v1.1.0", "main")
    assert ended.code == 0, ended.output
    changes = {change["name"]: (change["before"], change["after"]) for change in told(ended.output)["changes"]}
    assert changes == {"sniffio": ("1.3.1", None), "toml": ("0.10.1", "0.10.2")}
    here = state_folder() / "locks" / labels["io.noxlib.lock"]
    shutil.rmtree(here)  # as on another machine
    pulled = publisher("testground_pull-3.10", "--", "v1.1.0")
    assert pulled.code == 0, pulled.output
    found = lock.by_key(labels["io.noxlib.lock"])
    assert found is not None
    assert found.digest == labels["io.noxlib.lock-digest"]
    listed = publisher("testground_list")
    assert (listed.code, "sha256-" in listed.output) == (0, False), listed.output


def check_attached_sif(publisher: Publisher, manifest: Manifest, labels: dict[str, str]) -> None:
    """An Apptainer image that is attached is not made once more, but read from the registry, checked, and used."""
    file = publisher.nox.folder / ".noxlib" / "made.sif"
    file.write_bytes(b"SIF" * 1000)
    attachments.attach_sif(publisher.registry, manifest, file, "demo.sif", labels)
    words = ("--sif", "--python", "3.10", "--no-build", ".noxlib/with-sif.tar")
    made = publisher("testground_export", "--", *words, PATH=without("apptainer"))
    assert (made.code, f"from {publisher.image}" in made.output) == (0, True), made.output
    loaded = publisher("testground_load", "--", ".noxlib/with-sif.tar")
    (path,) = re.findall(r"the Apptainer image of Python 3\.10: (.*\.sif)", loaded.output)
    assert Path(path).read_bytes() == file.read_bytes()
    Path(path).unlink()


def docker(*words: str) -> str:
    return subprocess.run(("docker", *words), check=True, capture_output=True, text=True).stdout.strip()


def published_with(publisher: Publisher, published: dict[str, Any], tag: str, command: str) -> None:
    """Publish the same image after a command of a shell in it, under a tag and with the same lock."""
    container, image = f"tests-{published['digest'][7:19]}-{tag}", f"{publisher.image}@{published['digest']}"
    docker("run", "--name", container, "--user=root", "--entrypoint=sh", image, "-c", command)
    reference = f"{publisher.image}:py3.10-{tag}"
    docker("commit", container, reference)
    docker("rm", container)
    images.push(reference, Docker.connect(), Credentials(USER, PASSWORD))
    (attached,) = referrers.of(publisher.registry, published["digest"], attachments.LOCK)
    manifest = publisher.registry.manifest(f"py3.10-{tag}")
    assert manifest is not None
    parts = referrers.parts(publisher.registry, attached, published["digest"])
    referrers.attach(publisher.registry, manifest, attachments.LOCK, parts, attached.annotations)


#: As if apt had had another version of one package when this was published.
OLDER = (
    "sed -i '/^Package: tzdata$/,/^$/s/^Version: .*/Version: 2020a-1/' /var/lib/dpkg/status"
    " && echo older >/usr/share/doc/tzdata/copyright"
)


@pytest.mark.nightly
def test_a_rebuild_is_the_same_and_what_no_input_explains_is_named(publisher: Publisher) -> None:
    assert publisher.publish("refs/tags/v1.1.0").code == 0
    published = publisher.result()
    publisher.forget()
    same = publisher("testground_verify-3.10", "--", "--json", ".noxlib/verdict.json", "v1.1.0")
    assert same.code == 0, same.output
    verdict = json.loads((publisher.nox.folder / ".noxlib" / "verdict.json").read_text())
    assert (verdict["same"], verdict["files"]["differ"], verdict["packages"]) == (True, {}, [])
    assert verdict["tree_published"] == verdict["tree_rebuilt"]
    published_with(publisher, published, "sneaked", "echo x >/opt/testground/sneaked.py")
    other = publisher("testground_verify-3.10", "--", "sneaked")
    assert (other.code, "/opt/testground/sneaked.py" in other.output) == (1, True), other.output
    assert "1 paths, 0 packages, 0 labels differ" in other.output
    published_with(publisher, published, "older", OLDER)
    moved = publisher("testground_verify-3.10", "--", "older")
    assert (moved.code, "all is the same but 1 Debian packages" in moved.output) == (1, True), moved.output
    assert re.search(r"Debian +tzdata +2020a-1 -> 20", moved.output), moved.output
    assert "2 paths differ that are of these Debian packages" in moved.output
    assert "Traceback" not in other.output + moved.output


@pytest.mark.nightly
@pytest.mark.slurm
def test_an_apptainer_image_is_made_once_attached_and_runs(publisher: Publisher, tmp_path: Path) -> None:
    path = with_apptainer(tmp_path)
    main = publisher.event("refs/heads/main")
    assert publisher("testground_publish-3.10", **main).code == 0
    absent = publisher("testground_publish-3.10", "--", "--sif", **main, PATH=without("apptainer"))
    assert (absent.code, "there is no apptainer on this machine" in absent.output) == (1, True), absent.output
    ended = publisher("testground_publish-3.10", "--", "--sif", **{**main, **path})
    assert ended.code == 0, ended.output
    digest = publisher.result()["digest"]
    (attached,) = referrers.of(publisher.registry, digest, attachments.SIF)
    (part,) = referrers.parts(publisher.registry, attached, digest)
    file = tmp_path / part.title
    file.write_bytes(b"".join(blobs.stream(publisher.registry, part.digest, part.size)))
    assert_runs(file, path)
    again = publisher("testground_publish-3.10", "--", "--sif", **{**main, **path})
    assert (again.code, "making" in again.output) == (0, False), again.output
    assert referrers.of(publisher.registry, digest, attachments.SIF) == (attached,)


def without(name: str) -> str:
    """PATH without the folders that have a program of that name."""
    folders = os.environ["PATH"].split(":")
    return ":".join(folder for folder in folders if not (Path(folder) / name).exists())
