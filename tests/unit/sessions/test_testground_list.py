"""The rows of ``testground_list``: their order, ages and sizes."""

from __future__ import annotations

from noxlib.sessions import testground_list
from noxlib.testground.retention import Version

IMAGE = "ghcr.io/owner/demo-testground"
NOW, DAY = 1_800_000_000.0, 86400.0
COMMIT = "a" * 40


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def test_the_newest_comes_first_and_what_does_not_say_how_old_it_is_last() -> None:
    versions = (
        Version(digest(1), ("py3.10-main",), NOW - 5 * DAY, 10),
        Version(digest(2), ("py3.10-v1.0",)),
        Version(digest(3), ("py3.11-main",), NOW, 20),
    )
    rows = testground_list.rows(versions, IMAGE, None, NOW)
    assert [(row.digest, row.days, row.size) for row in rows] == [
        (digest(3), 0.0, 20),
        (digest(1), 5.0, 10),
        (digest(2), None, 0),
    ]


def test_what_people_call_it_comes_before_what_machines_do() -> None:
    tags = (f"py3.10-{COMMIT}", "py3.10-fp-0123456789abcdef", "py3.10-v1.0", "py3.10-latest")
    (row,) = testground_list.rows((Version(digest(1), tags, NOW),), IMAGE, None, NOW)
    assert row.tags == ("py3.10-latest", "py3.10-v1.0", f"py3.10-{COMMIT}", "py3.10-fp-0123456789abcdef")
    assert row.pythons == ("3.10",)


def test_parts_without_a_tag_are_no_rows_and_a_clock_that_is_ahead_makes_nothing_younger_than_now() -> None:
    versions = (Version(digest(1), (), NOW), Version(digest(2), ("other",), NOW + DAY), Version("", ("broken",)))
    rows = testground_list.rows(versions, IMAGE, None, NOW)
    assert [(row.digest, row.days, row.pythons, row.local) for row in rows] == [(digest(2), 0.0, (), None)]


def test_an_index_is_as_large_as_its_parts() -> None:
    versions = (
        Version(digest(1), ("py3.10-main",), NOW, children=(digest(2), digest(3), digest(4)), missing=(digest(4),)),
        Version(digest(2), ("py3.10-fp-0123456789abcdef",), NOW - DAY, 10),
        Version(digest(3), (), NOW, 20),
    )
    rows = testground_list.rows(versions, IMAGE, None, NOW)
    assert [(row.digest, row.size) for row in rows] == [(digest(1), 30), (digest(2), 10)]


def test_without_an_engine_nobody_says_that_none_is_here() -> None:
    rows = testground_list.rows((Version(digest(1), ("py3.10-main",), NOW),), IMAGE, None, NOW)
    assert testground_list.headline(rows, IMAGE) == (
        f"1 tags of 1 images in {IMAGE}, no container engine says which are here"
    )
    assert testground_list.headline((), IMAGE).endswith("0 of them here")


def test_a_tag_that_the_registry_cannot_show_is_no_row_and_not_left_out_in_silence() -> None:
    versions = (Version("", ("py3.10-feat",)), Version(digest(1), ("py3.10-main",), NOW))
    assert [row.tags for row in testground_list.rows(versions, IMAGE, None, NOW)] == [("py3.10-main",)]
    assert testground_list.unread(versions) == ("py3.10-feat",)
