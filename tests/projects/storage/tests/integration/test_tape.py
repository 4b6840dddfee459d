"""What a tape library costs, and refuses, on its own clock."""

import errno

import pytest

pytestmark = pytest.mark.backend("mock_tape")


def names(count):
    return [f"run/{number:02d}.nc" for number in range(count)]


@pytest.fixture
def archived(storage):
    """Twenty files, on tape only, in the order of their names."""
    storage.makedirs("run")
    for name in names(20):
        storage.pipe_file(name, name.encode())
    storage.tape.archive("run")
    return storage


def cost(storage, files):
    began = storage.clock.now
    for name in files:
        assert storage.cat_file(name) == name.encode()
    return storage.clock.now - began


def test_the_wrong_order_costs_five_times_as_much_as_that_of_the_tape(archived):
    right = cost(archived, archived.tape.order("run"))
    archived.tape.archive("run")  # it is on tape already: only the copy on disk goes
    wrong = cost(archived, reversed(names(20)))
    assert archived.tape.order("run") == names(20)
    assert wrong >= 5 * right
    assert cost(archived, names(20)) == 0  # they are on disk now


def test_a_file_is_nearline_until_it_is_asked_for(archived):
    assert archived.tape.state("run/03.nc") == archived.info("run/03.nc")["state"] == "nearline"
    ready = archived.tape.recall("run/03.nc")
    assert archived.tape.state("run/03.nc") == "recalling"
    archived.clock.advance(ready - archived.clock.now)
    assert archived.tape.state("run/03.nc") == "online"
    assert archived.tape.state("run/04.nc") == "nearline"


def test_a_second_mount_waits(archived):
    archived.tape.add_cartridge()
    archived.pipe_file("other.nc", b"other")
    archived.tape.archive("other.nc")
    mounts, first = archived.tape.library.mounts, archived.tape.recall("run")
    second = archived.tape.recall("other.nc")
    assert archived.tape.library.mounts == mounts + 2
    assert second > first + archived.tape.library.times.mount
    assert archived.cat_file("other.nc") == b"other"
    assert archived.clock.now == second


def test_what_is_on_a_shelf_is_offline(archived):
    with archived.fail("offline"):
        assert archived.tape.state("run/03.nc") == "offline"
        with pytest.raises(OSError) as caught:
            archived.cat_file("run/03.nc")
        assert caught.value.errno == errno.ENOMEDIUM
        with pytest.raises(OSError):
            archived.copy("run/03.nc", "here.nc")
        archived.pipe_file("new.nc", b"new")
        assert archived.cat_file("new.nc") == b"new"
    assert archived.cat_file("run/03.nc") == b"run/03.nc"


def test_what_is_written_anew_is_no_longer_what_the_tape_holds(archived):
    archived.pipe_file("run/03.nc", b"anew")
    assert archived.tape.state("run/03.nc") == "online"
    assert archived.cat_file("run/03.nc") == b"anew"
    archived.tape.archive("run/03.nc")
    assert archived.tape.order("run")[-1] == "run/03.nc"


def test_a_file_that_is_moved_stays_on_its_tape(archived):
    archived.mv("run", "kept")
    assert archived.tape.state("kept/03.nc") == "nearline"
    assert archived.cat_file("kept/03.nc") == b"run/03.nc"


def test_appending_recalls_first(archived):
    before = archived.clock.now
    with archived.open("run/03.nc", "ab") as stream:
        stream.write(b"!")
    assert archived.clock.now > before
    assert archived.cat_file("run/03.nc") == b"run/03.nc!"


def test_what_is_not_there_cannot_be_recalled(storage):
    with pytest.raises(FileNotFoundError):
        storage.tape.recall("absent.nc")
