"""The overlay's mount options, and what its scratch folder tells of what tests did."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from noxlib.places import overlay
from noxlib.places.overlay import Overlay, remove_scratch, scratch_root


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir(mode=0o750)
    return tmp_path / "checkout"


def test_prepared_files_lie_above_the_checkout(checkout: Path, tmp_path: Path) -> None:
    made = Overlay(checkout, tmp_path / "tree", tmp_path / "scratch")
    assert made.options() == (
        f"lowerdir={tmp_path}/tree:{checkout},upperdir={tmp_path}/scratch/upper,workdir={tmp_path}/scratch/work"
    )


def test_commas_and_colons_are_escaped() -> None:
    made = Overlay(Path("/a,b:c"), None, Path("/s,1"))
    assert made.options() == r"lowerdir=/a\,b\:c,upperdir=/s\,1/upper,workdir=/s\,1/work"


def test_a_path_with_a_backslash_goes_by_a_link(tmp_path: Path) -> None:
    odd = tmp_path / "back\\slash"
    odd.mkdir()
    made = Overlay(odd, None, tmp_path / "scratch")
    made.create()
    assert made.options().startswith(f"lowerdir={tmp_path}/scratch/lower0,")
    assert (tmp_path / "scratch" / "lower0").resolve() == odd


def test_options_that_the_kernel_would_not_take_are_known(checkout: Path, tmp_path: Path) -> None:
    assert Overlay(checkout, None, tmp_path / "s").possible()
    assert not Overlay(checkout, None, Path("/back\\slash")).possible()
    assert not Overlay(Path("/" + "x/" * 2100), None, Path("/s")).possible()


def test_it_is_an_anonymous_volume_with_labels(checkout: Path, tmp_path: Path) -> None:
    made = Overlay(checkout, None, tmp_path / "s").mount("/workspace", {"io.noxlib.run": "r"})
    assert "Source" not in made
    assert made["VolumeOptions"]["Labels"] == {"io.noxlib.run": "r"}
    assert made["VolumeOptions"]["DriverConfig"]["Options"]["type"] == "overlay"


def test_the_workspace_has_the_checkouts_mode(checkout: Path, tmp_path: Path) -> None:
    made = Overlay(checkout, None, tmp_path / "s")
    made.create()
    assert stat.S_IMODE(made.upper.stat().st_mode) == 0o750


def test_scratch_lies_outside_the_checkout(tmp_path: Path) -> None:
    assert scratch_root(tmp_path / "state", tmp_path / "checkout") == tmp_path / "state" / "scratch"
    inside = scratch_root(tmp_path / "checkout" / ".cache", tmp_path / "checkout")
    assert tmp_path / "checkout" not in inside.parents


def test_what_tests_wrote_is_carried_where_a_glob_names_it(checkout: Path, tmp_path: Path) -> None:
    made = Overlay(checkout, None, tmp_path / "s")
    made.create()
    for name in (".pytest_cache/v", ".hypothesis/x", "golden/a", "other"):
        (made.upper / name).parent.mkdir(parents=True, exist_ok=True)
        (made.upper / name).write_text(name)
    assert made.write_back(("golden/*",), checkout) == (".hypothesis/x", ".pytest_cache/v", "golden/a")
    assert not (checkout / "other").exists()


def test_what_tests_removed_goes_only_where_a_configured_glob_names_it(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("golden/a", "golden/deep/b", "kept", ".pytest_cache/v"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(name)
    made = Overlay(checkout, None, tmp_path / "s")
    made.create()
    (made.upper / "golden").mkdir()
    for name in ("golden/a", "golden/deep", "kept", ".pytest_cache"):
        (made.upper / name).write_text("")
    # a whiteout is a character device, which only root can make
    monkeypatch.setattr(overlay, "_is_whiteout", lambda _: True)
    assert made.write_back(("golden/**",), checkout) == ("golden/a", "golden/deep/b")
    assert (checkout / "kept").exists()
    assert (checkout / ".pytest_cache" / "v").exists()


def test_a_scratch_folder_goes_whatever_the_modes_in_it(checkout: Path, tmp_path: Path) -> None:
    made = Overlay(checkout, None, tmp_path / "s")
    made.create()
    (tmp_path / "s" / "work" / "work").mkdir(mode=0)
    (made.upper / "locked").mkdir()
    (made.upper / "locked" / "f").write_text("")
    (made.upper / "locked").chmod(0o500)
    made.close()
    assert not (tmp_path / "s").exists()
    remove_scratch(tmp_path / "s")  # twice is fine
    assert list(tmp_path.iterdir()) == [checkout]
