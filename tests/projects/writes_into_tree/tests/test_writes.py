from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_writes_changes_and_deletes():
    (ROOT / "snapshots").mkdir(exist_ok=True)
    (ROOT / "snapshots" / "new.txt").write_text("new\n")
    (ROOT / "scratch.tmp").write_text("not to be carried back\n")
    (ROOT / "kept.txt").unlink()
    assert not (ROOT / "kept.txt").exists()
