"""The files of two images compared: what counts, and what a difference is called."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from noxlib.testground import tree

from .images import tar

FILES = {"a": b"1", "b/c": b"2", "b": None, "link": "a", "b/__pycache__/c.pyc": b"3", "var/log/dpkg.log": b"4"}


def read(changed: dict[str, Any], **how: Any) -> tree.Tree:
    files = {name: content for name, content in {**FILES, **changed}.items() if content is not ...}
    return tree.read(tar(files, **how))


def test_times_byte_code_and_logs_do_not_count_and_are_told() -> None:
    before = read({})
    after = read({"b/__pycache__/c.pyc": b"other", "var/log/dpkg.log": b"other", "var/log/new": b""}, mtime=5)
    assert tree.digest(before) == tree.digest(after)
    found = tree.compare(before, after)
    assert found.differ == {}
    assert (found.bytecode, found.logs) == (("b/__pycache__/c.pyc",), ("var/log/dpkg.log", "var/log/new"))
    assert found.times == len(FILES)


def test_each_path_that_differs_is_named_and_in_what() -> None:
    before, after = read({}), read({"a": b"other", "b/c": ..., "link": "b", "new": b"", "b": b"a file now"})
    assert tree.digest(before) != tree.digest(after)
    assert tree.compare(before, after).differ == {
        "a": "content",
        "b": "kind, content",
        "b/c": "only before",
        "link": "content",
        "new": "only after",
    }


def test_mode_and_owner_count() -> None:
    before = read({})
    after = {**before, "a": before["a"]._replace(mode=0o4755, uid=7)}
    assert tree.compare(before, after).differ == {"a": "mode, uid"}


@given(
    st.dictionaries(st.text("abc/", min_size=1).map(lambda text: "x" + text.strip("/")), st.binary(), max_size=5),
    st.randoms(),
)
def test_the_order_in_the_tar_does_not_count_and_every_change_does(files: dict[str, bytes], random: Any) -> None:
    names = list(files)
    random.shuffle(names)
    before, after = tree.read(tar(files)), tree.read(tar({name: files[name] for name in names}))
    assert tree.digest(before) == tree.digest(after)
    for name in names[:1]:
        other = tree.read(tar({**files, name: files[name] + b"!"}))
        assert tree.digest(other) != tree.digest(before)
        assert list(tree.compare(before, other).differ) == [name]
