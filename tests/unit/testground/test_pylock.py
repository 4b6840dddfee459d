"""What of a pylock.toml applies to a Python, and whether it satisfies the requirements."""

from __future__ import annotations

import pytest

from noxlib.errors import LockError
from noxlib.testground import pylock

LINUX = pylock.environment("3.10", "linux/amd64")


def wheels(*names: str) -> dict[str, object]:
    return {"name": "a", "wheels": [{"url": f"https://example.org/{name}"} for name in names]}


@pytest.mark.parametrize(
    ("entry", "built"),
    [
        (wheels("a-1-py3-none-any.whl"), False),
        (wheels("a-1-cp310-cp310-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"), False),
        (wheels("a-1-cp38-abi3-manylinux_2_28_x86_64.whl"), False),
        (wheels("a-1-cp311-cp311-manylinux_2_17_x86_64.whl"), True),
        (wheels("a-1-cp310-cp310-manylinux_2_17_aarch64.whl"), True),
        (wheels("a-1-cp310-cp310-win_amd64.whl", "a-1-cp310-cp310-musllinux_1_1_x86_64.whl"), True),
        (wheels("a-1%2Blocal-py3-none-any.whl"), False),
        (wheels("nonsense"), True),
        ({"name": "a", "sdist": {}}, True),
    ],
)
def test_whether_a_package_has_to_be_built(entry: dict[str, object], built: bool) -> None:
    assert pylock.source_only(entry, "3.10", "linux/amd64") is built


def test_only_what_applies_to_this_python_is_chosen() -> None:
    entries = [
        {"name": "A_b", "marker": "python_version < '3.11'"},
        {"name": "c", "marker": "python_full_version >= '3.11'"},
        {"name": "d", "marker": "sys_platform == 'win32'"},
        {"name": "e", "marker": "'x' in extras"},
        {"name": "f"},
    ]
    assert {"a-b", "f"} <= set(pylock.chosen(entries, LINUX))
    assert not {"c", "d"} & set(pylock.chosen(entries, LINUX))


def test_the_first_requirement_that_is_not_satisfied_is_named() -> None:
    entries = {"a": {"name": "a", "version": "1.5"}}
    assert pylock.unmet(["A>=1", "b; python_version < '3.9'", "!!"], entries, LINUX) is None
    assert pylock.unmet(["a>=2"], entries, LINUX) == "a>=2"
    assert pylock.unmet(["c"], entries, LINUX) == "c"


@pytest.mark.parametrize("text", ["[[", "packages = 3", "packages = [1]", "[[packages]]\nversion = '1'"])
def test_a_file_that_is_no_lock_is_named(text: str) -> None:
    with pytest.raises(LockError, match=r"pylock\.toml"):
        pylock.packages(text, "pylock.toml")


def test_pypy_and_free_threaded_take_any_wheel() -> None:
    assert not pylock.source_only(wheels("a-1-pp311-pypy311_pp73-manylinux_2_17_x86_64.whl"), "pypy3.11", "linux/amd64")
    assert pylock.number("3.14t") == "3.14"
    assert pylock.number("pypy3.11") == "3.11"
