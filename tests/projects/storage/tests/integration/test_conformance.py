"""What every storage backend does in the same way: the interface of fsspec, by the bytes."""

import concurrent.futures
import hashlib
import random

import pytest

BIG = random.Random(1).randbytes(12 << 20)


def test_what_is_written_is_read(storage):
    storage.pipe_file("a.bin", bytes(range(256)))
    assert storage.cat_file("a.bin") == bytes(range(256))


def test_a_file_is_written_and_read_in_chunks(storage):
    with storage.open("big.bin", "wb") as stream:
        for at in range(0, len(BIG), 1 << 20):
            stream.write(BIG[at : at + (1 << 20)])
    digest = hashlib.sha256()
    with storage.open("big.bin", "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    assert storage.size("big.bin") == len(BIG)
    assert digest.digest() == hashlib.sha256(BIG).digest()


def test_ranges_are_read(storage):
    storage.pipe_file("a.bin", BIG[:100_000])
    assert storage.cat_file("a.bin", start=5, end=17) == BIG[5:17]
    assert storage.cat_file("a.bin", start=99_990) == BIG[99_990:100_000]
    with storage.open("a.bin", "rb") as stream:
        stream.seek(50_000)
        assert stream.read(10) == BIG[50_000:50_010]
        stream.seek(-10, 2)
        assert stream.read() == BIG[99_990:100_000]


def test_folders_are_listed(storage):
    for name in ("run/1.nc", "run/2.nc", "run/deep/3.nc", "notes.txt"):
        storage.makedirs(name.rpartition("/")[0] or "run", exist_ok=True)
        storage.pipe_file(name, name.encode())
    assert sorted(storage.ls("run", detail=False)) == ["run/1.nc", "run/2.nc", "run/deep"]
    assert {entry["name"]: entry["type"] for entry in storage.ls("run", detail=True)} == {
        "run/1.nc": "file",
        "run/2.nc": "file",
        "run/deep": "directory",
    }
    assert sorted(storage.find("")) == ["notes.txt", "run/1.nc", "run/2.nc", "run/deep/3.nc"]
    assert sorted(storage.ls("", detail=False)) == ["notes.txt", "run"]


def test_names_are_globbed(storage):
    storage.makedirs("run/deep")
    for name in ("run/1.nc", "run/2.txt", "run/deep/3.nc"):
        storage.pipe_file(name, b"x")
    assert storage.glob("run/*.nc") == ["run/1.nc"]
    assert sorted(storage.glob("run/**/*.nc")) == ["run/1.nc", "run/deep/3.nc"]


def test_files_and_folders_are_told_apart(storage):
    storage.makedirs("run", exist_ok=True)
    storage.pipe_file("run/a.bin", b"12345")
    found = storage.info("run/a.bin")
    assert (found["name"], found["type"], found["size"]) == ("run/a.bin", "file", 5)
    assert storage.exists("run/a.bin")
    assert storage.isfile("run/a.bin")
    assert not storage.isdir("run/a.bin")
    assert storage.isdir("run")
    assert storage.exists("run")
    assert not storage.exists("run/b.bin")


def test_what_is_not_there_is_a_file_not_found_error(storage):
    for look in (storage.cat_file, storage.info, storage.size):
        with pytest.raises(FileNotFoundError):
            look("absent.bin")
    with pytest.raises(FileNotFoundError):
        storage.open("absent.bin", "rb").read()
    with pytest.raises(FileNotFoundError):
        storage.ls("absent")
    assert storage.glob("absent*") == []


def test_removing_what_is_not_there_is_told(storage):
    if storage.backend == "s3":
        pytest.skip("s3 removes what is not there without a word")
    with pytest.raises(FileNotFoundError):
        storage.rm("absent.bin")
    with pytest.raises(FileNotFoundError):
        storage.rm_file("absent.bin")


def test_a_file_is_overwritten_by_a_shorter_one(storage):
    storage.pipe_file("a.bin", b"long long ago")
    storage.pipe_file("a.bin", b"now")
    assert storage.cat_file("a.bin") == b"now"
    with storage.open("a.bin", "wb") as stream:
        stream.write(b"2")
    assert (storage.cat_file("a.bin"), storage.size("a.bin")) == (b"2", 1)


def test_an_empty_file_is_a_file(storage):
    storage.touch("a.bin")
    with storage.open("b.bin", "wb"):
        pass
    for name in ("a.bin", "b.bin"):
        assert (storage.cat_file(name), storage.size(name), storage.isfile(name)) == (b"", 0, True)


def test_a_file_is_copied(storage):
    storage.pipe_file("a.bin", BIG[:1_000_000])
    storage.copy("a.bin", "b.bin")
    assert storage.cat_file("a.bin") == storage.cat_file("b.bin") == BIG[:1_000_000]


def test_a_folder_is_copied(storage):
    storage.makedirs("run/deep")
    storage.pipe_file("run/1.nc", b"1")
    storage.pipe_file("run/deep/2.nc", b"2")
    storage.copy("run/", "kept/", recursive=True)
    assert sorted(storage.find("kept")) == ["kept/1.nc", "kept/deep/2.nc"]
    assert storage.cat_file("kept/deep/2.nc") == b"2"


def test_a_file_is_moved(storage):
    storage.pipe_file("a.bin", b"1")
    storage.mv("a.bin", "b.bin")
    assert (storage.exists("a.bin"), storage.cat_file("b.bin")) == (False, b"1")


def test_a_file_is_moved_onto_another(storage):
    storage.pipe_file("a.bin", b"new")
    storage.pipe_file("b.bin", b"old one")
    storage.mv("a.bin", "b.bin")
    assert (storage.exists("a.bin"), storage.cat_file("b.bin")) == (False, b"new")


def test_files_and_folders_are_removed(storage):
    storage.makedirs("run/deep")
    for name in ("run/1.nc", "run/deep/2.nc", "a.bin"):
        storage.pipe_file(name, b"1")
    storage.rm("a.bin")
    storage.rm("run", recursive=True)
    assert storage.find("") == []
    assert not storage.exists("run")


def test_names_need_not_be_ascii(storage):
    names = ["größe – 1.nc", "данные.nc", "氷.nc", "a b+c%20&d=e.nc"]
    for name in names:
        storage.pipe_file(name, name.encode())
    assert sorted(storage.find("")) == sorted(names)
    assert {name: storage.cat_file(name).decode() for name in names} == {name: name for name in names}


def test_text_is_written_and_read(storage):
    with storage.open("a.txt", "w", encoding="utf-8") as stream:
        stream.write("Temperatur: −3 °C\n" * 3)
    with storage.open("a.txt", "r", encoding="utf-8") as stream:
        assert list(stream) == ["Temperatur: −3 °C\n"] * 3


def test_many_write_at_once(storage):
    storage.makedirs("run", exist_ok=True)

    def write(number):
        storage.pipe_file(f"run/{number}.bin", bytes([number]) * 50_000)
        return storage.cat_file(f"run/{number}.bin")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(24)))
    assert found == [bytes([number]) * 50_000 for number in range(24)]
    assert len(storage.ls("run")) == 24


def test_files_come_and_go(storage, tmp_path):
    (tmp_path / "here.bin").write_bytes(BIG[:300_000])
    storage.put_file(str(tmp_path / "here.bin"), "there.bin")
    storage.get_file("there.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == BIG[:300_000]


def test_appending_is_told(storage):
    storage.pipe_file("a.txt", b"one ")
    if not storage.appends:
        pytest.skip(f"{storage.backend} has no appending of its own")
    with storage.open("a.txt", "ab") as stream:
        stream.write(b"two")
    assert storage.cat_file("a.txt") == b"one two"


def test_each_test_has_a_folder_of_its_own(storage):
    assert storage.find("") == []
    storage.pipe_file("mine.bin", b"1")


def test_each_test_has_a_folder_of_its_own_again(storage):
    assert storage.find("") == []


def test_no_path_leads_out_of_it(storage):
    for path in ("../other.bin", "run/../../other.bin", ".."):
        with pytest.raises(ValueError, match="leads out"):
            storage.ls(path)


def test_another_client_reaches_the_same(storage):
    import fsspec

    storage.pipe_file("a.bin", b"1")
    opened = fsspec.open(f"{storage.url}/a.bin", "rb", **storage.options)
    with opened as stream:
        assert stream.read() == b"1"
    if "ssh" in storage.backend:
        transport = opened.fs.client.get_transport()
        transport.close()
        transport.join(30)
