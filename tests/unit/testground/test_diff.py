"""What differs between the packages of two images."""

from __future__ import annotations

from noxlib.testground import diff
from noxlib.testground.diff import Change
from noxlib.testground.inventory import Inventory, Package


def test_what_is_added_removed_and_changed_is_told_python_packages_first() -> None:
    before = Inventory(
        (Package("deb", "libc6", "1", "amd64"), Package("pypi", "gone", "1"), Package("pypi", "x", "1")),
        "3.10.1", "debian 12", 10, "python:3.10-slim", "sha256:1",
    )  # fmt: skip
    after = Inventory(
        (Package("deb", "libc6", "2", "amd64"), Package("pypi", "new", "1"), Package("pypi", "x", "2")),
        "3.10.2", "debian 12", 20, "python:3.10-slim", "sha256:2",
    )  # fmt: skip
    found = diff.compare(before, after)
    assert found.changes == (
        Change("python", "python", "3.10.1", "3.10.2"),
        Change("base digest", "base digest", "sha256:1", "sha256:2"),
        Change("pypi", "gone", "1", None),
        Change("pypi", "new", None, "1"),
        Change("pypi", "x", "1", "2"),
        Change("deb", "libc6", "1", "2"),
    )
    assert [change.what for change in found.packages] == ["removed", "added", "changed", "changed"]
    assert (found.size_before, found.size_after) == (10, 20)
    assert diff.compare(before, before).changes == ()


def test_a_package_in_two_versions_is_one_line_and_a_licence_is_no_difference() -> None:
    before = Inventory((Package("pypi", "pip", "23"), Package("pypi", "pip", "24")))
    after = Inventory((Package("pypi", "pip", "24", license="MIT"),))
    assert diff.compare(before, after).changes == (Change("pypi", "pip", "23, 24", "24"),)
