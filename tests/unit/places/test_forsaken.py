"""Workspaces and environments of checkouts that are gone go with them."""

from __future__ import annotations

from pathlib import Path

from noxlib.places import forsaken, slots


def of_slot(slot: Path) -> str:
    return f"{slot.parent.name[:4]}{slot.name}"


def used(state: Path, checkout: Path) -> tuple[slots.Slot, Path]:
    """A slot of a checkout, taken, and an environment of it."""
    checkout.mkdir()
    slot = slots.take(state, checkout, "3.10")
    slot.workspace.mkdir()
    environment = state / "environments" / f"{of_slot(slot.folder)}-abc"
    environment.mkdir(parents=True)
    return slot, environment


def test_what_belongs_to_a_checkout_that_is_gone_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (kept, here), (gone, there), (busy, taken) = (used(tmp_path / "state", tmp_path / name) for name in "abc")
    kept.release()
    gone.release()
    for name in "bc":
        (tmp_path / name).rmdir()
    forsaken.sweep(tmp_path / "state", of_slot)
    assert (here.exists(), kept.workspace.exists()) == (True, True)
    assert (there.exists(), gone.folder.parent.exists()) == (False, False)
    assert (taken.exists(), busy.workspace.exists()) == (True, True)
    busy.release()
    forsaken.sweep(tmp_path / "state", of_slot)
    assert (taken.exists(), busy.folder.parent.exists()) == (False, False)


def test_a_few_checkouts_go_at_a_time(tmp_path: Path) -> None:
    for number in range(forsaken.AT_ONCE + 2):
        slot, _ = used(tmp_path / "state", tmp_path / str(number))
        slot.release()
        (tmp_path / str(number)).rmdir()
    forsaken.sweep(tmp_path / "state", of_slot)
    assert len(list((tmp_path / "state" / "workspaces").iterdir())) == 2


def test_a_state_folder_without_workspaces_is_fine(tmp_path: Path) -> None:
    forsaken.sweep(tmp_path, of_slot)
    (tmp_path / "workspaces" / "x").mkdir(parents=True)
    (tmp_path / "workspaces" / "x" / "checkout").write_text("\0")
    forsaken.sweep(tmp_path, of_slot)
