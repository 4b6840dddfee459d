"""The SBOM is what SPDX 2.3 asks for, in the words of its own tools; the same image gives the same bytes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from noxlib.errors import EngineError
from noxlib.testground import sbom
from noxlib.testground.inventory import Inventory, Package
from noxlib.testground.sbom import Described

DESCRIBED = Described("letters", "3.10", "sha256:" + "0" * 64, "2024-05-06T07:08:09Z")
PACKAGES = (
    Package("deb", "libc6", "2.36-9+deb12u7", "amd64"),
    Package("deb", "libstdc++6", "12.2.0-14", "amd64"),
    Package("pypi", "iniconfig", "2.0.0", license="MIT"),
    Package("pypi", "odd", "1!2.0+local", license="Whatever I like"),
)
INVENTORY = Inventory(PACKAGES, "3.10.14", "debian 12", 147815845, "python:3.10-slim", "sha256:" + "1" * 64)


def validate(text: str) -> None:
    """Read it as SPDX's own library does, and let that complain."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sbom.spdx.json"
        file.write_text(text, "utf-8")
        assert validate_full_spdx_document(parse_file(str(file))) == []


def test_the_document_is_valid_and_deterministic() -> None:
    data = sbom.document(INVENTORY, DESCRIBED)
    validate(data.decode())
    assert sbom.document(INVENTORY, DESCRIBED) == data
    content = json.loads(data)
    assert content["creationInfo"]["created"] == "2024-05-06T07:08:09Z"
    by_name = {package["name"]: package for package in content["packages"]}
    assert by_name["libstdc++6"]["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64"
    )
    assert by_name["odd"]["externalRefs"][0]["referenceLocator"] == "pkg:pypi/odd@1%212.0%2Blocal"
    assert by_name["iniconfig"]["licenseDeclared"] == "MIT"
    assert "licenseDeclared" not in by_name["odd"]


def test_nothing_but_the_image_is_needed() -> None:
    validate(sbom.document(Inventory(()), Described("x", "3.9", "sha256:" + "0" * 64)).decode())


PRINTABLE = st.characters(exclude_categories=("C", "Z"))
NAMES = st.builds("{}{}".format, PRINTABLE, st.text(PRINTABLE | st.just(" "), max_size=18)).map(str.strip)


@given(st.lists(st.builds(Package, st.sampled_from(["pypi", "deb"]), NAMES, NAMES, st.just("")), unique=True))
def test_it_is_read_back_as_it_was_written(packages: list[Package]) -> None:
    inventory = Inventory(tuple(sorted(packages)), "3.12.1", "debian 12", 5)
    assert sbom.read(sbom.document(inventory, DESCRIBED), "it") == inventory


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"packages": 3}', b'{"packages": [{"SPDXID": "SPDXRef-image"}]}', b"[" * 100_000]
)
def test_what_is_no_document_of_ours_is_told_in_two_lines(data: bytes) -> None:
    with pytest.raises(EngineError, match="the SBOM attached to it is damaged"):
        sbom.read(data, "it")


@pytest.mark.parametrize(
    ("labels", "environ", "expected"),
    [
        ({"org.opencontainers.image.created": "2024-05-06T09:08:09+02:00"}, {}, "2024-05-06T07:08:09Z"),
        (
            {"org.opencontainers.image.created": "2024-05-06T09:08:09Z"},
            {"SOURCE_DATE_EPOCH": "0"},
            "1970-01-01T00:00:00Z",
        ),
        ({"org.opencontainers.image.created": "yesterday"}, {"SOURCE_DATE_EPOCH": "now"}, "1970-01-01T00:00:00Z"),
        ({}, {}, "1970-01-01T00:00:00Z"),
    ],
)
def test_it_was_made_when_the_commit_was(labels: dict[str, str], environ: dict[str, str], expected: str) -> None:
    assert sbom.created(labels, environ) == expected
