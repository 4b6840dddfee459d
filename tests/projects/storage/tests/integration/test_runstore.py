"""Results are kept whole, whatever becomes of the storage."""

import os

import pytest

import runstore

FIELD = os.urandom(2 << 20)


def test_a_result_is_read_as_it_was_stored(storage):
    runstore.store(storage, "run-1", "t2m.nc", FIELD)
    assert runstore.load(storage, "run-1", "t2m.nc") == FIELD
    assert runstore.results(storage, "run-1") == ["t2m.nc"]


@pytest.mark.parametrize("kind", ["full", "cut"])
def test_half_a_result_is_none(storage, kind):
    runstore.store(storage, "run-1", "first.nc", b"1")
    with storage.fail(kind, after=100):
        with pytest.raises(storage.broken):
            runstore.store(storage, "run-1", "second.nc", FIELD)
    assert runstore.results(storage, "run-1") == ["first.nc"]
    runstore.store(storage, "run-1", "second.nc", FIELD)
    assert runstore.load(storage, "run-1", "second.nc") == FIELD


def test_a_damaged_result_is_told(storage):
    runstore.store(storage, "run-1", "t2m.nc", FIELD)
    storage.pipe_file("run-1/t2m.nc", FIELD[:-1])
    with pytest.raises(runstore.Damaged):
        runstore.load(storage, "run-1", "t2m.nc")


@pytest.mark.backend("mock_tape")
def test_a_run_is_recalled_in_the_order_of_the_tape(storage):
    for name in ("a.nc", "b.nc", "c.nc"):
        runstore.store(storage, "run-1", name, name.encode())
    storage.tape.archive("run-1")
    storage.tape.recall(*storage.tape.order("run-1"))
    assert [runstore.load(storage, "run-1", name) for name in ("a.nc", "b.nc", "c.nc")] == [b"a.nc", b"b.nc", b"c.nc"]
    assert storage.tape.library.mounts == 1
