"""The packages of an image, read from its files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import EngineError
from noxlib.testground import inventory
from noxlib.testground.inventory import Package

from .images import tar

SITE = "opt/testground/lib/python3.10/site-packages"
STATUS = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u7
Description: a library
 Package: not-a-field

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1

"""
IMAGE = {
    f"{SITE}/iniconfig-2.0.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: Iniconfig\nVersion: 2.0.0\n"
    b"License-Expression: MIT\n\nName: of the description\n",
    f"{SITE}/old.egg-info/PKG-INFO": b"Name: old_one\nVersion: 1\n",
    f"{SITE}/setuptools/_vendor/wheel-0.45.dist-info/METADATA": b"Name: wheel\nVersion: 0.45\n",
    "usr/lib/python3/dist-packages/nameless.dist-info/METADATA": b"Version: 1\n",
    "var/lib/dpkg/status": STATUS,
    "usr/lib/os-release": b'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n',
    "etc/os-release": "../usr/lib/os-release",
    "usr/local/include/python3.10/patchlevel.h": b'#define PY_MAJOR_VERSION 3\n#define PY_VERSION      "3.10.13+"\n',
    "opt": None,
}


@pytest.mark.parametrize("start", ["/", "./", ""])
def test_packages_system_and_python_are_read_from_the_files(start: str) -> None:
    found = inventory.take(tar(IMAGE, start=start))
    assert found.packages == (
        Package("deb", "libc6", "2.36-9+deb12u7", "amd64"),
        Package("pypi", "iniconfig", "2.0.0", license="MIT"),
        Package("pypi", "old-one", "1"),
    )
    assert (found.python, found.system) == ("3.10.13", "debian 12")
    assert found.size == sum(len(content) for content in IMAGE.values() if isinstance(content, bytes))


def test_an_empty_image_has_nothing() -> None:
    assert inventory.take(tar({})) == inventory.Inventory(())


def test_a_tar_that_is_cut_short_is_told_in_two_lines() -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        inventory.take([b"".join(tar(IMAGE))[:1500]])


@given(st.binary(), st.binary())
def test_whatever_stands_in_a_metadata_file_is_no_failure(metadata: bytes, status: bytes) -> None:
    files = {f"{SITE}/x.dist-info/METADATA": metadata, "var/lib/dpkg/status": status}
    assert inventory.take(tar(files)).size == len(metadata) + len(status)
