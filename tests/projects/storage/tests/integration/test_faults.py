"""How every storage backend fails when it is told to, and that it is as before afterwards."""

import errno
import os
import time

import pytest

DATA = os.urandom(3 << 20)


def test_what_is_down_answers_nothing(storage):
    storage.pipe_file("a.bin", b"1")
    with storage.fail("down"):
        with pytest.raises(storage.broken):
            storage.cat_file("a.bin")
        with pytest.raises(storage.broken):
            storage.pipe_file("b.bin", b"2")
    assert storage.cat_file("a.bin") == b"1"


def test_a_read_is_cut_in_the_middle(storage):
    storage.pipe_file("a.bin", DATA)
    got = 0
    with storage.fail("cut", after=1 << 20):
        with pytest.raises(storage.broken):
            with storage.open("a.bin", "rb") as stream:
                while chunk := stream.read(1 << 18):
                    got += len(chunk)
    assert got <= 1 << 20
    assert storage.cat_file("a.bin") == DATA


def test_a_write_is_cut_in_the_middle(storage):
    with storage.fail("cut", after=100):
        with pytest.raises(storage.broken):
            storage.pipe_file("a.bin", DATA)
    storage.pipe_file("a.bin", DATA)
    assert storage.cat_file("a.bin") == DATA


def test_what_is_slow_takes_its_time(storage):
    storage.pipe_file("a.bin", b"1")
    now = (lambda: storage.clock.now) if storage.backend == "mock_tape" else time.monotonic
    with storage.fail("slow", latency=0.3):
        began = now()
        assert storage.cat_file("a.bin") == b"1"
        assert now() - began >= 0.3


def test_what_is_denied_can_be_seen_only(storage):
    storage.pipe_file("a.bin", b"1")
    with storage.fail("denied"):
        assert storage.size("a.bin") == 1
        for refused in (storage.cat_file, storage.rm, storage.mkdir, storage.open):
            with pytest.raises(PermissionError):
                refused("a.bin")
        with pytest.raises(PermissionError):
            storage.pipe_file("b.bin", b"2")
    assert storage.cat_file("a.bin") == b"1"


@pytest.mark.parametrize(("kind", "number"), [("full", errno.ENOSPC), ("quota", errno.EDQUOT)])
def test_a_disk_fills_up_in_the_middle(storage, kind, number):
    with storage.fail(kind, after=1 << 20):
        storage.pipe_file("small.bin", b"1")
        with pytest.raises(OSError) as caught:
            storage.pipe_file("large.bin", DATA)
        assert caught.value.errno == number
        assert storage.cat_file("small.bin") == b"1"
    storage.pipe_file("large.bin", DATA)
    assert storage.cat_file("large.bin") == DATA


def test_without_a_with_it_fails_until_the_test_ends(storage):
    storage.pipe_file("a.bin", b"1")
    storage.fail("denied")
    with pytest.raises(PermissionError):
        storage.cat_file("a.bin")


def test_the_next_test_finds_it_as_it_was(storage):
    storage.pipe_file("a.bin", b"1")
    assert storage.cat_file("a.bin") == b"1"


def test_what_there_is_not_is_refused(storage):
    for kind, values in (("melted", {}), ("down", {"after": 1}), ("cut", {"after": -1}), ("slow", {"latency": "long"})):
        with pytest.raises(ValueError):
            storage.fail(kind, **values)
    if storage.backend != "mock_tape":
        with pytest.raises(ValueError, match="has no tapes"):
            storage.fail("offline")
