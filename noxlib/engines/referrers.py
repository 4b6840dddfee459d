"""What is attached to an image: OCI referrers, by the registry's own list or by the tag ``sha256-<hex>``.

OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any, Optional

import msgspec
from filelock import FileLock

from noxlib.engines import blobs
from noxlib.engines.registry import DIGEST, Manifest, sha256
from noxlib.engines.registryfailure import absent
from noxlib.errors import EngineError
from noxlib.ledger import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from noxlib.engines.registry import Registry

INDEX, IMAGE = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"  #: of a configuration without content
TITLE = "org.opencontainers.image.title"
ROUNDS = 10  #: how often another writer of a list may come between our look and our writing
_PAUSE = 0.05  # seconds, longer each time: so that writers of one list come apart
_PAGES = 1000


class Part(msgspec.Struct, frozen=True):
    """One file of an attachment: where it lies in the registry, and its name."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}

    @property
    def title(self) -> str:
        """The file's name; empty where the attachment does not say."""
        return self.annotations.get(TITLE, "")


class Attachment(msgspec.Struct, frozen=True):
    """A manifest with a subject, as a list of referrers describes it."""

    digest: str
    artifact_type: str
    size: int
    media_type: str = IMAGE
    annotations: dict[str, str] = {}


def attach(
    registry: Registry,
    subject: Manifest,
    artifact_type: str,
    parts: Sequence[Part],
    annotations: Optional[Mapping[str, str]] = None,
) -> Attachment:
    """Attach parts that the registry has to one of its manifests. The same ones again are the same attachment.

    Raises:
        EngineError: The registry refuses, or other writers of its list never come to an end.
    """
    blobs.send(registry, b"{}")
    empty = {"mediaType": EMPTY, "digest": sha256(b"{}"), "size": 2}
    told = dict(sorted((annotations or {}).items()))
    content = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "artifactType": artifact_type,
        "config": empty,
        "layers": [_described(part) for part in parts] or [empty],
        "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.body)},
        "annotations": told,
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    made = Attachment(sha256(body), artifact_type, len(body), IMAGE, told)
    answer = registry.ask("PUT", f"manifests/{made.digest}", body=body, headers={"Content-Type": IMAGE}, write=True)
    if answer.headers.get("OCI-Subject") != subject.digest:  # it keeps no list of its own
        _list_under_tag(registry, subject.digest, made)
    return made


def _described(part: Part) -> dict[str, Any]:
    described = {"mediaType": part.media_type, "digest": part.digest, "size": part.size}
    return {**described, "annotations": part.annotations} if part.annotations else described


def of(registry: Registry, digest: str, artifact_type: str = "") -> tuple[Attachment, ...]:
    """What is attached to a digest, of one type or of all.

    Raises:
        EngineError: The registry fails, or its list is none.
    """
    found = _own_list(registry, digest)
    if found is None:
        index = registry.manifest(tag(digest))
        found = _entries(index.content(), registry.image) if index is not None else []
    every = [_completed(registry, _attachment(entry, registry.image)) for entry in found]
    return tuple(one for one in every if artifact_type in ("", one.artifact_type))


def tag(digest: str) -> str:
    """The tag under which a registry without a list of its own has it: ``sha256-<hex>``."""
    return digest.replace(":", "-")


def parts(registry: Registry, attachment: Attachment, subject: str) -> tuple[Part, ...]:
    """The files of an attachment, which has to say itself that it belongs to ``subject``.

    Raises:
        EngineError: Its manifest is missing, damaged or of something else.
    """
    manifest = registry.manifest(attachment.digest)
    if manifest is None:
        what = f"{registry.image}: the attachment {attachment.digest} is listed, and not there"
        raise EngineError(what, "publish again what it belongs to", cause="absent")
    content = manifest.content()
    try:
        found = msgspec.convert([_fields(entry) for entry in content["layers"]], tuple[Part, ...])
        own = content["subject"]["digest"]
    except (KeyError, TypeError, AttributeError, ValueError, msgspec.ValidationError) as error:
        raise _damaged(registry.image, attachment.digest) from error
    if own != subject or not all(DIGEST.fullmatch(part.digest) for part in found):
        raise _damaged(registry.image, attachment.digest)
    return found


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "media_type": entry["mediaType"],
        "digest": entry["digest"],
        "size": entry["size"],
        "annotations": entry.get("annotations") or {},
    }


def _damaged(image: str, digest: str) -> EngineError:
    what = f"{image}: the manifest of the attachment {digest} is damaged"
    return EngineError(what, "publish again what it belongs to, or delete the attachment", cause="damaged")


def _own_list(registry: Registry, digest: str) -> Optional[list[Any]]:
    """The registry's own list, all pages; None where it keeps none."""
    found: list[Any] = []
    path: Optional[str] = f"referrers/{digest}"
    for _ in range(_PAGES):
        answer = registry.ask("GET", path, accept=(INDEX,))
        if absent(answer):
            return None
        found += _entries(Manifest(INDEX, answer.content, f"of what is attached to {digest}").content(), registry.image)
        following = answer.links.get("next", {}).get("url")
        if not following:
            return found
        path = f"referrers/{digest}?{following.partition('?')[2]}"
    return found


def _entries(index: Mapping[str, Any], image: str) -> list[Any]:
    found = index.get("manifests")
    if not isinstance(found, list):
        raise EngineError(f"{image}: a list of attachments is none", "delete its tag, sha256-…", cause="damaged")
    return found


def _attachment(entry: Any, image: str) -> Attachment:
    try:
        kind = str(entry.get("artifactType") or entry.get("mediaType"))
        found = {**_fields(entry), "artifact_type": kind}
        made = msgspec.convert(found, Attachment)
    except (KeyError, TypeError, AttributeError, ValueError, msgspec.ValidationError) as error:
        raise _damaged(image, str(entry)[:100]) from error
    if not DIGEST.fullmatch(made.digest):
        raise _damaged(image, made.digest[:100])
    return made


def _completed(registry: Registry, listed: Attachment) -> Attachment:
    """What a list leaves out (go-containerregistry's tells the configuration's type, and no annotations)."""
    if listed.artifact_type not in (EMPTY, IMAGE):
        return listed
    manifest = registry.manifest(listed.digest)
    content = manifest.content() if manifest is not None else {}
    try:
        annotations = msgspec.convert(content.get("annotations") or {}, dict[str, str])
    except (ValueError, msgspec.ValidationError) as error:
        raise _damaged(registry.image, listed.digest) from error
    kind = str(content.get("artifactType") or listed.artifact_type)
    return msgspec.structs.replace(listed, annotations=annotations, artifact_type=kind)


def _list_under_tag(registry: Registry, subject: str, made: Attachment) -> None:
    """Add to the list under the tag. A registry knows no "only if unchanged": what is there is looked at again.

    Writers on this machine wait for each other. One elsewhere that read the list before we wrote it, and wrote after,
    has taken us out of it: then it is written again, with both.
    """
    with _one_at_a_time(registry.image, subject):
        for number in range(ROUNDS):
            index = registry.manifest(tag(subject))
            listed = _entries(index.content(), registry.image) if index is not None else []
            if any(_attachment(entry, registry.image).digest == made.digest for entry in listed):
                return
            registry.put(tag(subject), _index([*listed, _entry(made)]))
            time.sleep(_PAUSE * (1 + number + random.random()))  # noqa: S311 - no secret
    raise EngineError(
        f"{registry.image}:{tag(subject)} is written by others without an end", "run this again", cause="conflict"
    )


def _one_at_a_time(image: str, subject: str) -> FileLock:
    folder = state_folder() / "referrers"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{sha256(f'{image}@{subject}'.encode())[7:39]}.lock")


def _index(entries: Sequence[Any]) -> Manifest:
    content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
    body = json.dumps(content, separators=(",", ":")).encode()
    return Manifest(INDEX, body, sha256(body))


def _entry(made: Attachment) -> dict[str, Any]:
    return {
        "mediaType": made.media_type,
        "digest": made.digest,
        "size": made.size,
        "artifactType": made.artifact_type,
        "annotations": made.annotations,
    }
