"""Files that a session leaves in copy-on-write layers."""

from __future__ import annotations

import time
from pathlib import Path

from noxlib.inside import layers

TABLE = """\
600 500 0:60 / / rw,relatime master:9 - overlay overlay rw,lowerdir=/a,upperdir=/b
601 600 0:61 / /proc rw,nosuid - proc proc rw
602 600 0:62 / /workspace rw - overlay overlay rw
603 600 254:1 /x /opt/noxlib/run rw - ext4 /dev/vda rw
"""


def test_overlays_are_found_among_a_folder_and_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(TABLE)
    types = layers.mounts(tmp_path / "mountinfo")
    assert types["/opt/noxlib/run"] == "ext4"
    assert layers.overlays(types, ["/workspace/sub", "/workspace", "/"]) == ["/workspace", "/"]
    assert layers.mounts(tmp_path / "absent") == {}


def test_what_was_written_since_is_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("before", "changed"):
        (tmp_path / name).write_text("")
    time.sleep(0.05)  # the kernel's clock of files ticks every few milliseconds
    since = time.time()
    time.sleep(0.05)
    (tmp_path / "changed").chmod(0o600)
    for name in ("deep/new", "__pycache__/a.pyc", "tmp/other"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text("")
    found = set(layers.written(str(tmp_path), since, {str(tmp_path / "tmp")}))
    assert found == {str(tmp_path / "changed"), str(tmp_path / "deep" / "new")}


def test_what_nobody_may_see_or_is_gone_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert list(layers.written(str(tmp_path), 0, set())) == [str(tmp_path / "link")]
    assert list(layers.entries(str(tmp_path / "absent"))) == []
