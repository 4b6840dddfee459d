"""Which layers a delta leaves out, and what of a bundle may be written where."""

from __future__ import annotations

import io
import json
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import archivewriter, saved
from noxlib.engines.archive import Archive
from noxlib.engines.archiveformat import Base, Contents, Descriptor, Image
from noxlib.errors import CacheError
from noxlib.testground import archiving, bundle, lock

layers = st.lists(st.sampled_from("abcdef"), max_size=5, unique=True).map(tuple)
KEY = "0" * 64


def image(python: str, digests: tuple[str, ...]) -> Image:
    found = tuple(Descriptor(digest, 1, "") for digest in digests)
    return Image(python, f"demo:py{python}-fp-0", KEY, Descriptor(f"sha256:{KEY}", 1, ""), found)


@given(st.lists(layers, min_size=1, max_size=3), st.lists(layers, max_size=3))
def test_what_is_left_out_lies_in_the_base_under_the_same_layers(
    own: list[tuple[str, ...]], others: list[tuple[str, ...]]
) -> None:
    base = {Base("", f"base{number}", ""): digests for number, digests in enumerate(others)}
    without = archiving.elsewhere([image("3.10", digests) for digests in own], base)
    for digests in own:
        for at, digest in enumerate(digests):
            below = any(other[: at + 1] == digests[: at + 1] for other in others)
            assert below or digest not in without
    every = {digest for digests in own for digest in digests}
    assert without <= every
    if all(digests in others for digests in own):
        assert without == every


def holding(files: dict[str, bytes], project: str = "demo") -> Archive:
    out = io.BytesIO()
    with tempfile.TemporaryFile() as aside:
        pieces = {name: saved.pack(io.BytesIO(data), len(data), aside) for name, data in files.items()}
        archivewriter.write(out, Contents(project, (image("3.10", ()),)), pieces, aside)
    return Archive(io.BytesIO(out.getvalue()), "x.tar.zst")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def packed(name: str, text: str, **change: object) -> bytes:
    total = sha256(name.encode() + b"\0" + sha256(text.encode()).digest()).hexdigest()
    contents = {"files": [name], "build_files": [], "source": "resolved", "digest": total, **change}
    return json.dumps({"contents": contents, "files": {name: text}}).encode()


def test_a_lock_of_a_bundle_is_found_by_its_key(state: Path) -> None:
    opened = holding({f"noxlib/locks/3.10/{KEY}.json": packed("pylock.toml", "lock-version = '1.0'\n")})
    assert bundle.install(opened, opened.contents.members) == ("the lock of Python 3.10",)
    found = lock.by_key(KEY)
    assert found is not None
    assert (found.folder / "pylock.toml").read_text() == "lock-version = '1.0'\n"
    assert bundle.install(opened, opened.contents.members) == ("the lock of Python 3.10 (was here)",)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (KEY, packed("../../evil", "x"), "other files than it says"),
        (KEY, packed("/evil", "x"), "other files than it says"),
        (KEY, packed("pylock.toml", "x", files=["pylock.toml", "more"]), "other files than it says"),
        (KEY, packed("pylock.toml", "x", digest="0"), "not what its digest says"),
        (KEY, b"{", ""),
        ("evil", packed("pylock.toml", "x"), "is no lock"),
    ],
    ids=["above", "root", "missing", "digest", "no JSON", "key"],
)
def test_a_lock_that_is_none_is_refused_and_writes_nothing(state: Path, name: str, data: bytes, reason: str) -> None:
    opened = holding({f"noxlib/locks/3.10/{name}.json": data})
    with pytest.raises(CacheError, match=f"is damaged.*{reason}"):
        bundle.install(opened, opened.contents.members)
    assert not (state / "locks" / KEY).exists()
    assert not list(state.parent.rglob("evil"))


@pytest.mark.parametrize("name", [f"noxlib/locks/{KEY}.json", f"noxlib/locks/3.10/a/{KEY}.json", "noxlib/sif/a.sif"])
def test_a_file_that_lies_where_none_does_is_refused(name: str) -> None:
    opened = holding({name: b"x"})
    with pytest.raises(CacheError, match=r"is damaged.*lies where nothing does"):
        bundle.install(opened, opened.contents.members)


def test_an_apptainer_image_of_a_bundle_is_put_below_the_cache_folder(state: Path) -> None:
    opened = holding({"noxlib/sif/3.10/abc.sif": b"SIF" * 1000})
    (told,) = bundle.install(opened, opened.contents.members)
    assert told.endswith(str(state / "sif" / "abc.sif"))
    assert (state / "sif" / "abc.sif").read_bytes() == b"SIF" * 1000


def test_an_apptainer_image_of_a_bundle_is_called_as_its_testground_is_in_this_engine(state: Path) -> None:
    opened = holding({"noxlib/sif/3.10/abc.sif": b"SIF", "noxlib/sif/3.11/def.sif": b"FIS"})
    bundle.install(opened, opened.contents.members, {"3.10": "sha256:123"})  # by its manifest, in containerd's store
    assert {path.name: path.read_bytes() for path in (state / "sif").iterdir()} == {
        "123.sif": b"SIF",
        "def.sif": b"FIS",
    }


def test_of_one_python_the_files_of_the_others_are_left_out() -> None:
    opened = holding({f"noxlib/locks/{python}/{KEY}.json": b"x" for python in ("3.10", "3.1", "3.11")})
    _, members = archiving.chosen(opened, "3.10")
    assert [member.name for member in members] == [f"noxlib/locks/3.10/{KEY}.json"]
    with pytest.raises(CacheError, match=r"no testground of Python 3\.9"):
        archiving.chosen(opened, "3.9")


def test_an_archive_of_another_project_is_refused() -> None:
    with pytest.raises(CacheError, match="'other', and this project is 'demo'"):
        archiving.check_project(holding({}, "other"), "demo")
