"""What is attached to a digest, in a registry with a list of its own and in one without; and what either may answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxlib.engines import blobs, referrers
from noxlib.engines import registry as registries
from noxlib.engines.referrers import Part
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import EngineError
from tests.oci_server import Oci, serving, sha256

TYPE = "application/vnd.example.note.v1"
BODY = b'{"schemaVersion": 2}'
IMAGE = Manifest(referrers.IMAGE, BODY, sha256(BODY))


@pytest.fixture(params=[False, True], ids=["by tag", "by its own list"])
def oci(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Oci]:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(registries, "seconds_to_wait", lambda _state: 0.0)
    monkeypatch.setattr(referrers, "_PAUSE", 0.0)
    with serving(Oci(referrers=request.param)) as world:
        yield world


def repository(oci: Oci) -> Registry:
    return Registry(f"{oci.host}/owner/demo", None)


def noted(oci: Oci, text: str) -> referrers.Attachment:
    registry = repository(oci)
    part = Part("text/plain", blobs.send(registry, text.encode()), len(text), {referrers.TITLE: text})
    return referrers.attach(registry, IMAGE, TYPE, [part], {"b": "2", "a": "1"})


def test_what_is_attached_is_found_by_its_type_and_read_back(oci: Oci) -> None:
    made = noted(oci, "one")
    assert noted(oci, "one") == made
    other = referrers.attach(repository(oci), IMAGE, "application/vnd.example.empty.v1", [])
    assert {one.digest for one in referrers.of(repository(oci), IMAGE.digest)} == {made.digest, other.digest}
    assert referrers.of(repository(oci), IMAGE.digest, TYPE) == (made,)
    (part,) = referrers.parts(repository(oci), made, IMAGE.digest)
    assert (part.title, blobs.read(repository(oci), part.digest, part.size)) == ("one", b"one")
    assert bool(oci.tags) is not oci.referrers


def test_all_pages_of_a_list_are_read(oci: Oci) -> None:
    oci.page = 2
    made = {noted(oci, str(number)).digest for number in range(5)}
    assert {one.digest for one in referrers.of(repository(oci), IMAGE.digest)} == made


def test_a_blob_that_is_there_is_not_sent_again_and_a_file_never_read_whole(oci: Oci, tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(b"x" * 3_000_000)
    sent = blobs.send_file(repository(oci), file)
    assert sent == (sha256(file.read_bytes()), 3_000_000)
    count = sum(method == "PUT" for method, _ in oci.asked)
    assert blobs.send_file(repository(oci), file) == sent
    assert sum(method == "PUT" for method, _ in oci.asked) == count == 1


def test_uploads_go_to_no_other_host(oci: Oci) -> None:
    oci.location = "http://registry.example.org/upload"
    with pytest.raises(EngineError, match="sends us to"):
        blobs.send(repository(oci), b"secret")


@pytest.mark.parametrize(
    ("code", "text"), [(401, "a caller without credentials"), (403, "does not let you"), (500, "it failed itself")]
)
def test_a_refusal_is_told_in_two_lines(oci: Oci, code: int, text: str) -> None:
    oci.refusing = lambda _method, path: None if path == "/v2/" else code
    for call in (lambda: referrers.of(repository(oci), IMAGE.digest), lambda: noted(oci, "one")):
        with pytest.raises(EngineError, match=text) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 2


def test_a_registry_that_is_not_there_is_told_in_two_lines() -> None:
    with pytest.raises(EngineError, match="does not answer"):
        referrers.of(Registry("127.0.0.1:9/owner/demo", None, attempts=1), IMAGE.digest)


def test_a_blob_that_is_missing_or_another_is_told(oci: Oci) -> None:
    digest = blobs.send(repository(oci), b"one")
    with pytest.raises(EngineError, match="larger than its manifest says"):
        blobs.read(repository(oci), digest, 2)
    oci.blobs[digest] = b"two"
    with pytest.raises(EngineError, match="not what its digest says"):
        blobs.read(repository(oci), digest, 3)
    del oci.blobs[digest]
    with pytest.raises(EngineError, match="is missing"):
        blobs.read(repository(oci), digest, 3)


@pytest.mark.parametrize(
    "entries",
    [
        3,
        [3],
        [{}],
        [{"mediaType": "a/b", "size": 1, "digest": "../x"}],
        [{"mediaType": "a/b", "size": "1", "digest": ""}],
    ],
)
def test_a_list_that_is_none_is_told_as_damaged(oci: Oci, entries: object) -> None:
    oci.referrers = False
    body = json.dumps({"schemaVersion": 2, "mediaType": referrers.INDEX, "manifests": entries}).encode()
    repository(oci).put(referrers.tag(IMAGE.digest), Manifest(referrers.INDEX, body, sha256(body)))
    with pytest.raises(EngineError) as caught:
        referrers.of(repository(oci), IMAGE.digest)
    assert caught.value.cause == "damaged"


def test_an_attachment_of_another_image_or_without_files_is_damaged(oci: Oci) -> None:
    made = noted(oci, "one")
    with pytest.raises(EngineError, match="is damaged"):
        referrers.parts(repository(oci), made, sha256(b"other"))
    for layers in (None, [{"digest": "../x", "size": 1, "mediaType": "a/b"}], [{"digest": sha256(b"")}]):
        body = json.dumps({"schemaVersion": 2, "subject": {"digest": IMAGE.digest}, "layers": layers}).encode()
        repository(oci).put(sha256(body), Manifest(referrers.IMAGE, body, sha256(body)))
        with pytest.raises(EngineError, match="is damaged"):
            referrers.parts(repository(oci), referrers.Attachment(sha256(body), TYPE, len(body)), IMAGE.digest)
    with pytest.raises(EngineError, match="not there"):
        referrers.parts(repository(oci), referrers.Attachment(sha256(b"?"), TYPE, 1), IMAGE.digest)


def test_a_list_that_is_overwritten_again_and_again_ends_in_an_error(oci: Oci) -> None:
    oci.referrers = False

    class Stubborn(Registry):
        def put(self, tag: str, manifest: Manifest) -> None:
            """Somebody else always comes after us."""

    registry = Stubborn(f"{oci.host}/owner/demo", None)
    with pytest.raises(EngineError, match="without an end"):
        referrers.attach(registry, IMAGE, TYPE, [])
