"""The images of two platforms as one index, on a real registry and with a real engine; nothing is emulated here."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, Callable

import pytest

from noxlib.engines import images
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Manifest, sha256
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError, NoxlibError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import emulator
from noxlib.testground import bases, foreign, index, names, publish, publishing, recorded
from noxlib.testground.results import Result

from .checks import told
from .conftest import Nox
from .publishers import Publisher
from .registries import IMAGE, PASSWORD, USER, RegistryServer

if TYPE_CHECKING:
    from pathlib import Path

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.registry, pytest.mark.docker]

AMD64, ARM64 = "linux/amd64", "linux/arm64"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PUSH = publishing.Tags((COMMIT, "main"), "a push")
NAME = "owner/parts"


def labels(platform: str, revision: str = COMMIT, **more: str) -> dict[str, str]:
    own = {"python": "3.10", "project": "letters", "recipe": "a" * 64, "fingerprint": sha256(platform.encode())[7:]}
    return {
        "org.opencontainers.image.revision": revision,
        **{f"io.noxlib.{name}": value for name, value in {**own, **more}.items()},
    }


def put(server: RegistryServer, name: str, platform: str, **more: str) -> str:
    """Publish a manifest that says that it is a testground of a platform; its digest. Nobody can run it."""
    system, _, architecture = platform.partition("/")
    told_of = {"os": system, "architecture": architecture, "rootfs": {}, "config": {"Labels": labels(platform, **more)}}
    config = json.dumps(told_of).encode()
    described = {"mediaType": "application/vnd.oci.image.config.v1+json", "size": len(config)}
    content = {"schemaVersion": 2, "mediaType": IMAGE, "config": {**described, "digest": server.put_blob(name, config)}}
    body = json.dumps({**content, "layers": []}).encode()
    server.repository(name).put(sha256(body), Manifest(IMAGE, body, sha256(body)))
    return sha256(body)


def write(publisher: Publisher, digest: str, platform: str, **more: Any) -> None:
    """The file that the job of a platform leaves."""
    given = {"image": publisher.image, "commit": publisher.head, "fingerprint": sha256(platform.encode())[7:], **more}
    recorded.write(publisher.nox.folder, Result(python="3.10", digest=digest, tags=(), platform=platform, **given))


def import_part(publisher: Publisher, docker: Docker, platform: str) -> str:
    """Publish an image without a single program that the engine can pull, as a platform's job does it; its digest."""
    tag = names.fingerprint_tag("3.10", sha256(platform.encode())[7:])
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(platform.replace("/", "-")))
        changes = [f"LABEL {name}={value}" for name, value in labels(platform).items()]
        import_image(docker, f"{publisher.image}:{tag}", platform, stream.getvalue(), changes)
    images.push(f"{publisher.image}:{tag}", docker, Credentials(USER, PASSWORD))
    digest = publisher.registry.digest(tag)
    assert digest is not None
    return digest


def import_image(docker: Docker, reference: str, platform: str, tar: bytes, changes: list[str]) -> None:
    words = [word for change in changes for word in ("--change", change)]
    argv = ["docker", "import", "--platform", platform, *words, "-", reference]
    subprocess.run(argv, input=tar, check=True, capture_output=True, env=docker.command_environment())


def test_two_platforms_become_one_index_of_which_each_engine_takes_its_own(publisher: Publisher) -> None:
    docker = Docker.connect()
    parts = {platform: import_part(publisher, docker, platform) for platform in (AMD64, ARM64)}
    for platform, digest in parts.items():
        write(publisher, digest, platform)
    event = publisher.event("refs/tags/v1.0.0")
    joined = publisher("testground_index-3.10", "--", "--expect", "amd64", "--expect", "aarch64", **event)
    assert joined.code == 0, joined.output
    published = publisher.result()
    assert published["platforms"] == parts
    assert published["tags"] == [f"py3.10-{publisher.head}", "py3.10-v1.0.0", "py3.10-latest"]
    assert {publisher.registry.digest(tag) for tag in published["tags"]} == {published["digest"]}
    read = publisher.registry.manifest("py3.10-v1.0.0")
    assert read is not None
    assert read.media_type == "application/vnd.oci.image.index.v1+json"
    assert read.content()["annotations"]["io.noxlib.python"] == "3.10"
    assert_pulled(publisher, docker, published["digest"], parts)
    assert_kept(publisher, {published["digest"], *parts.values()})


def assert_pulled(publisher: Publisher, docker: Docker, whole: str, parts: dict[str, str]) -> None:
    """The engine's own by the index' digest, the other one by its own: the names of the first one stay as they are."""
    publisher.forget()
    native = docker.native
    other = ARM64 if native == AMD64 else AMD64
    for platform, words, digest in ((native, (), whole), (other, ("--platform", other), parts[other])):
        pulled = publisher("testground_pull-3.10", "--", *words, "v1.0.0")
        assert pulled.code == 0, pulled.output
        found = docker.image(f"{publisher.image}@{digest}")
        assert found is not None
        assert (found.platform, found.id) == (platform, publisher.result("pulled.json")["id"])
    named = docker.image(f"{publisher.image}:py3.10-v1.0.0")
    assert named is not None
    assert named.platform == native


def assert_kept(publisher: Publisher, digests: set[str]) -> None:
    """What a cleanup would keep: the index for its tags, and its parts for its sake."""
    ended = publisher("testground_cleanup")
    assert ended.code == 0, ended.output
    plan = json.loads((publisher.nox.folder / ".noxlib" / "cleanup.json").read_text())
    assert digests == {version["digest"] for version in plan["versions"] if version["action"] == "keep"}


def test_the_same_parts_are_the_same_index_for_another_commit(publisher: Publisher) -> None:
    name = publisher.registry.name
    parts = [put(publisher.server, name, platform, revision=publisher.head) for platform in (AMD64, ARM64)]
    found = []
    for message in ("one", "two"):
        publisher.commit(message)
        ended = publisher("testground_index-3.10", "--", *parts, **publisher.event("refs/heads/main"))
        assert ended.code == 0, ended.output
        found.append(publisher.result())
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["tags"] != found[1]["tags"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "there is no .noxlib/platforms here"),
        (("sha256:" + "0" * 64, "sha256:" + "1" * 64), "is not in the registry"),
        (("$(touch x)",), "is no digest, and no file"),
        (("../" * 20 + "etc/passwd",), "is no record of a platform"),
        (("--expect", "mips", "x"), "a testground is made for linux/amd64 or linux/arm64"),
    ],
    ids=["nothing", "absent", "a command", "another file", "no platform"],
)
def test_words_that_name_no_published_platform_are_two_lines(
    publisher: Publisher, words: tuple[str, ...], said: str
) -> None:
    ended = publisher("testground_index-3.10", *(("--", *words) if words else ()), **publisher.event("refs/heads/main"))
    assert told(ended) == 2
    assert said in ended.output
    assert publisher.registry.tags() == ()


def test_files_of_another_run_or_of_a_stranger_are_refused(publisher: Publisher) -> None:
    name, event = publisher.registry.name, publisher.event("refs/heads/main")
    for platform in (AMD64, ARM64):
        write(publisher, put(publisher.server, name, platform), platform)
    arm64 = put(publisher.server, name, ARM64)
    amd64 = put(publisher.server, name, AMD64)
    for wrong, said in (
        ({"digest": amd64}, f"{amd64} was recorded for the platform {ARM64}, and the registry has {AMD64}"),
        ({"digest": arm64, "fingerprint": "0" * 64}, "was recorded for the fingerprint 0000"),
        ({"digest": arm64, "commit": "1" * 40}, "was recorded for the commit 1111"),
        ({"digest": arm64, "image": "registry.invalid/theirs"}, "was published to 'registry.invalid/theirs'"),
        ({"digest": "sha256:../../x"}, "is no record of a platform"),
    ):
        write(publisher, platform=ARM64, **wrong)
        ended = publisher("testground_index-3.10", **event)
        assert told(ended) == 2
        assert said in ended.output, ended.output
    assert publisher.registry.tags() == ()


def test_what_was_published_without_a_platform_stays_without_it(publisher: Publisher) -> None:
    name, event = publisher.registry.name, publisher.event("refs/heads/main")
    parts = {platform: put(publisher.server, name, platform) for platform in (AMD64, ARM64)}
    for platform, digest in parts.items():
        write(publisher, digest, platform)
    alone = publisher.registry.manifest(parts[AMD64])
    assert alone is not None
    publisher.registry.put(names.tag("3.10", publisher.head), alone)
    ended = publisher("testground_index-3.10", **event)
    assert told(ended) == 2
    assert f"{alone.digest} was published first, an image, no index, for {AMD64}: no {ARM64}" in ended.output
    assert publisher.registry.digest(names.tag("3.10", publisher.head)) == alone.digest
    other = ARM64 if Docker.connect().native == AMD64 else AMD64
    foreign_one = publisher("testground_pull-3.10", "--", parts[other])
    assert told(foreign_one) == 2
    assert f"@{parts[other]} is not there for" in foreign_one.output
    assert f"but for {other}" in foreign_one.output
    late = publisher("testground_publish-3.10", "--", "--platform", "amd64", **event)
    assert told(late) == 2
    assert "was published first" in late.output


def parts_of(server: RegistryServer, *platforms: str, **more: str) -> list[index.Part]:
    registry = server.repository(NAME)
    return [index.read(registry, put(server, NAME, platform, **more), "3.10") for platform in platforms]


def test_a_release_that_is_another_digest_never_moves(registry_server: RegistryServer) -> None:
    registry, planned = registry_server.repository(NAME), publishing.Tags(("v1.0",), "a release", release="v1.0")
    first, second = (index.join(parts_of(registry_server, AMD64, ARM64, recipe=letter * 64)) for letter in "ab")
    publish.settle(registry, "3.10", planned, first)
    settled, _ = publish.settle(registry, "3.10", planned, second)  # the first one published is the truth
    assert settled.digest == first.digest
    both = publishing.Tags((COMMIT, "v1.0"), "a release", release="v1.0")
    with pytest.raises(EngineError, match=f"{first.digest} already, and would become {second.digest}"):
        publish.settle(registry, "3.10", both, second)


def test_images_that_are_no_parts_of_one_index_are_refused_by_name(registry_server: RegistryServer) -> None:
    amd64, arm64 = parts_of(registry_server, AMD64, ARM64)
    (twice,) = parts_of(registry_server, ARM64, fingerprint="0" * 64)
    (another,) = parts_of(registry_server, ARM64, recipe="b" * 64)
    (foreign,) = parts_of(registry_server, ARM64, project="numbers")
    (strange,) = parts_of(registry_server, "linux/s390x")
    for found, said in (
        ([amd64, arm64, twice], f"{arm64.digest} and {twice.digest} are both for {ARM64}"),
        ([amd64, another], "are of another recipe"),
        ([amd64, foreign], "are of another project"),
        ([amd64, strange], "'linux/s390x', and testgrounds are not"),
        ([amd64, amd64], f"{AMD64} is all that was given"),
        ([], "none is all that was given"),
    ):
        with pytest.raises(PlaceError) as caught:
            index.check(found)
        assert said in caught.value.what
        assert caught.value.todo


def test_an_index_that_lost_a_part_is_told_by_the_digest_of_that(registry_server: RegistryServer) -> None:
    name = "owner/lost"
    registry = registry_server.repository(name)
    parts = [index.read(registry, put(registry_server, name, platform), "3.10") for platform in (AMD64, ARM64)]
    whole, _ = publish.settle(registry, "3.10", PUSH, index.join(parts))
    assert index.cover(registry, whole, parts) == {part.platform: part.digest for part in parts}
    registry.delete(parts[1].digest)
    with pytest.raises(EngineError, match=f"names {parts[1].digest} for {ARM64}, and that is gone"):
        index.cover(registry, whole, parts)
    with pytest.raises(NoxlibError):  # a registry takes no index whose parts it does not have
        publish.settle(registry, "3.11", PUSH, index.join(parts))


def test_a_digest_of_an_index_is_told_by_the_part_of_the_engine(registry_server: RegistryServer) -> None:
    registry, found = registry_server.repository(NAME), parts_of(registry_server, AMD64, ARM64)
    whole, _ = publish.settle(registry, "3.12", PUSH, index.join(found))
    for part in found:
        assert index.resolve(registry, whole.digest, str(part.platform).__str__) == part.digest
        assert index.resolve(registry, part.digest, "never asked".__str__) == part.digest
    with pytest.raises(PlaceError, match=f"not there for linux/arm/v7, but for {AMD64} and {ARM64}"):
        index.resolve(registry, whole.digest, lambda: "linux/arm/v7")


def test_what_is_no_testground_of_that_python_is_no_part(registry_server: RegistryServer) -> None:
    registry = registry_server.repository(NAME)
    whole = index.join(parts_of(registry_server, AMD64, ARM64))
    registry.put("py3.10-main", whole)
    for digest, said in (
        (whole.digest, "is an index already"),
        (put(registry_server, NAME, AMD64, python="3.11"), "is a testground of Python 3.11, not 3.10"),
        (put(registry_server, NAME, AMD64, fingerprint="none"), "is no testground of noxlib's"),
        ("sha256:" + "0" * 64, "is not in the registry"),
    ):
        with pytest.raises(PlaceError, match=said):
            index.read(registry, digest, "3.10")


def test_a_base_of_another_platform_comes_by_its_own_digest_under_a_name_of_its_own(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in publisher.variables.items():
        monkeypatch.setenv(variable, value)
    docker, registry = Docker.connect(), publisher.registry
    other = docker.for_platform(ARM64 if docker.native == AMD64 else AMD64)
    digests = {platform: import_part(publisher, docker, platform) for platform in (AMD64, ARM64)}
    parts = [index.read(registry, digest, "3.10") for digest in digests.values()]
    registry.put("both", index.join(parts))
    registry.put("own", next(part.manifest for part in parts if part.platform == docker.native))
    publisher.forget()
    with pytest.raises(PlaceError, match=f"has no image for {other.platform}; the registry has it for {docker.native}"):
        foreign.fetch(f"{publisher.image}:own", other)
    with pytest.raises(PlaceError, match="has it for none"):
        foreign.fetch(f"{publisher.image}:none", other)
    reference = f"{publisher.image}:both"
    assert bases.name_here(reference, docker) == reference
    here = bases.name_here(reference, other)
    foreign.fetch(reference, other)
    try:
        found = docker.image(here)
        assert found is not None
        assert (found.platform, found.digests) == (other.platform, (f"{publisher.image}@{digests[other.platform]}",))
        assert docker.image(reference) is None
    finally:
        images.untag(here, docker)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--platform", "mips"), "a testground is made for linux/amd64 or linux/arm64"),
        (("--platform", "arm64", "--place", "venv"), "the place venv has none"),
    ],
)
def test_a_platform_that_cannot_be_is_two_lines(adopt: Adopt, words: tuple[str, ...], said: str) -> None:
    ended = adopt("flat")("-s", "unit-3.10", "--", *words)
    assert told(ended) == 2
    assert said in ended.output


def test_without_an_emulator_nothing_is_built_and_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = Docker.connect()
    other = ARM64 if docker.native == AMD64 else AMD64
    (tmp_path / "status").write_text("enabled\n")
    monkeypatch.setattr(emulator, "FORMATS", tmp_path)
    emulator.require(docker)
    with pytest.raises(PlaceError, match=f"has no emulator for {other}") as caught:
        emulator.require(docker.for_platform(other))
    assert "qemu-user-static" in caught.value.todo
    assert f"tonistiigi/binfmt --install {other.rpartition('/')[2]}" in caught.value.todo


def test_where_the_kernel_cannot_be_looked_at_a_program_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emulator, "FORMATS", tmp_path / "of another machine")
    docker = Docker.connect()
    other = docker.for_platform(ARM64 if docker.native == AMD64 else AMD64)
    emulator.require(other)  # not known yet
    base = docker.image("debian:bookworm-slim")
    assert base is not None
    emulator.tried(other, base.id, Ledger())
    stranger = f"noxlib-stranger-{tmp_path.parent.name}:latest"
    import_image(docker, stranger, other.platform, of_no_machine(), [])
    try:
        with pytest.raises(PlaceError, match="has no emulator"):
            emulator.tried(other, stranger, Ledger())
    finally:
        images.untag(stranger, docker)


def of_no_machine() -> bytes:
    """The tar of a root file system whose one program is for a machine that no kernel and no emulator knows."""
    program = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xed\xfe\x01\x00\x00\x00" + bytes(40)
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            entry = tarfile.TarInfo("bin/true")
            entry.size, entry.mode = len(program), 0o755
            tar.addfile(entry, io.BytesIO(program))
        return stream.getvalue()
