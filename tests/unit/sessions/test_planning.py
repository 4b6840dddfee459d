"""What a plan brings into every run."""

from __future__ import annotations

import pytest

from noxlib.sessions import planning


@pytest.mark.parametrize("asked", ["0", "7", "4294967295"])
def test_a_seed_of_hashes_that_the_caller_set_stays(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", asked)
    assert planning._hash_seed() == asked


@pytest.mark.parametrize("asked", ["", "random"])
def test_without_one_a_number_is_drawn_that_the_record_can_name(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", asked)
    drawn = {planning._hash_seed() for _ in range(20)}
    assert len(drawn) > 1
    assert all(0 <= int(seed) < 2**32 for seed in drawn)
