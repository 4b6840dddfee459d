"""An inventory as a software bill of materials, SPDX 2.3 in JSON, and back. The same image gives the same bytes. Pure.

https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

import msgspec
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from noxlib import __version__
from noxlib.errors import EngineError
from noxlib.testground.inventory import Inventory, Package

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MEDIA_TYPE = "application/spdx+json"
_IMAGE, _BASE, _SYSTEM, _PYTHON = (f"SPDXRef-{name}" for name in ("image", "base", "system", "python"))
_SIZE = "io.noxlib.size="
_EPOCH = "1970-01-01T00:00:00Z"


class Described(msgspec.Struct, frozen=True):
    """The image that a document is of."""

    name: str  #: of the project
    python: str  #: ``3.10``
    id: str  #: ``sha256:…``
    created: str = ""  #: ISO 8601; the commit's time


def created(labels: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """When a document says that it was made: SOURCE_DATE_EPOCH, else the commit's time, else the epoch."""
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    if re.fullmatch(r"[0-9]{1,11}", epoch):
        return datetime.fromtimestamp(int(epoch), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = labels.get("org.opencontainers.image.created", "")
    try:
        moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        return _EPOCH
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def document(inventory: Inventory, described: Described) -> bytes:
    """The document, as JSON in UTF-8."""
    packages = [_image(inventory, described), *_around(inventory), *map(_package, inventory.packages)]
    digest = hashlib.sha256(json.dumps([described.id, packages]).encode()).hexdigest()
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{described.name} testground, Python {described.python}",
        "documentNamespace": f"https://spdx.org/spdxdocs/noxlib-{quote(described.name, safe='')}-{digest}",
        "creationInfo": {"created": described.created or _EPOCH, "creators": [f"Tool: noxlib-{__version__}"]},
        "packages": packages,
        "relationships": list(_relationships(packages)),
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def _image(inventory: Inventory, described: Described) -> dict[str, Any]:
    own = _entry(_IMAGE, f"{described.name}-testground", described.id, "CONTAINER", "")
    told = {
        "annotationType": "OTHER",
        "annotator": f"Tool: noxlib-{__version__}",
        "annotationDate": described.created or _EPOCH,
        "comment": f"{_SIZE}{inventory.size}",
    }
    checksum = {"algorithm": "SHA256", "checksumValue": described.id.rpartition(":")[2]}
    return {**own, "annotations": [told], "checksums": [checksum]}


def _around(inventory: Inventory) -> Iterable[dict[str, Any]]:
    """The base image, the system, the interpreter: as far as they are known."""
    if inventory.base:
        yield _entry(_BASE, inventory.base, inventory.base_digest, "CONTAINER", "")
    if inventory.system:
        name, _, version = inventory.system.partition(" ")
        yield _entry(_SYSTEM, name, version, "OPERATING-SYSTEM", "")
    if inventory.python:
        yield _entry(_PYTHON, "python", inventory.python, "APPLICATION", f"pkg:generic/python@{inventory.python}")


def _package(package: Package) -> dict[str, Any]:
    version = quote(package.version, safe="")
    if package.kind == "pypi":
        purl = f"pkg:pypi/{package.name}@{version}"
    else:
        arch = f"?arch={quote(package.architecture, safe='')}" if package.architecture else ""
        purl = f"pkg:deb/debian/{quote(package.name, safe='')}@{version}{arch}"
    mark = hashlib.sha256(purl.encode()).hexdigest()[:12]
    safe = re.sub(r"[^A-Za-z0-9.-]+", "-", package.name)
    found = _entry(f"SPDXRef-{package.kind}-{safe}-{mark}", package.name, package.version, "LIBRARY", purl)
    license_ = _license(package.license)
    return {**found, "licenseDeclared": license_} if license_ else found


def _license(text: str) -> Optional[str]:
    """An expression that a reader of SPDX knows; None for anything else."""
    try:
        found = str(canonicalize_license_expression(text)) if text else ""
    except InvalidLicenseExpression:
        return None
    return found if found and "LicenseRef-" not in found else None


def _entry(key: str, name: str, version: str, purpose: str, purl: str) -> dict[str, Any]:
    found: dict[str, Any] = {"SPDXID": key, "name": name}
    if version:
        found["versionInfo"] = version
    found.update(downloadLocation="NOASSERTION", filesAnalyzed=False, primaryPackagePurpose=purpose)
    if purl:
        reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
        found["externalRefs"] = [reference]
    return found


def _relationships(packages: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, str]]:
    yield _related("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE)
    for package in packages:
        key = package["SPDXID"]
        if key == _BASE:
            yield _related(_IMAGE, "DESCENDANT_OF", key)
        elif key != _IMAGE:
            yield _related(_IMAGE, "CONTAINS", key)


def _related(one: str, how: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def read(data: bytes, name: str) -> Inventory:
    """The inventory of a document of ours. Raises EngineError where it is none."""
    try:
        entries = {entry["SPDXID"]: entry for entry in json.loads(data)["packages"]}
        size = next(told["comment"] for told in entries[_IMAGE]["annotations"] if told["comment"].startswith(_SIZE))
        packages = (_read(entry) for key, entry in entries.items() if key.startswith(("SPDXRef-pypi-", "SPDXRef-deb-")))
        base, system, python = (entries.get(key, {}) for key in (_BASE, _SYSTEM, _PYTHON))
        return Inventory(
            tuple(sorted(packages)),
            str(python.get("versionInfo", "")),
            f"{system.get('name', '')} {system.get('versionInfo', '')}".strip(),
            int(size[len(_SIZE) :]),
            str(base.get("name", "")),
            str(base.get("versionInfo", "")),
        )
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        StopIteration,
        RecursionError,
        msgspec.ValidationError,
    ) as error:
        raise EngineError(
            f"the SBOM attached to {name} is damaged", "publish what it belongs to again", cause="damaged"
        ) from error


def _read(entry: Mapping[str, Any]) -> Package:
    purl = str(entry["externalRefs"][0]["referenceLocator"])
    arch = re.search(r"\?arch=([^&]+)$", purl)
    told = {"license": entry["licenseDeclared"]} if "licenseDeclared" in entry else {}
    if arch:
        told["architecture"] = arch[1]
    kind = "pypi" if purl.startswith("pkg:pypi/") else "deb"
    return msgspec.convert({"kind": kind, "name": entry["name"], "version": entry["versionInfo"], **told}, Package)
