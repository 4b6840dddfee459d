"""The CA bundles that this machine's variables name are where the same variables name them on another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.places import box, trust


def test_a_bundle_is_sent_once_and_every_variable_of_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, other = tmp_path / "ca.pem", tmp_path / "other.pem"
    bundle.write_text("one")
    other.write_text("two")
    for name, path in zip(box.CA_VARIABLES, (bundle, bundle, other)):
        monkeypatch.setenv(name, str(path))
    sent = {f"/opt/noxlib/{name}": path for name, path in trust.files()}
    there = trust.variables()
    assert {name: sent[path] for name, path in there.items()} == dict(zip(box.CA_VARIABLES, (bundle, bundle, other)))
    assert len(sent) == 2


def test_without_one_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in box.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert (list(trust.files()), trust.variables()) == ([], {})
