"""What is tried once more where a place cannot be had, and what would only fail again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import pytest

from noxlib.errors import EngineError
from noxlib.records import store
from noxlib.sessions import reaping, running, suites
from noxlib.sessions.context import Context

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("cause", "times"), [(None, 2), ("lost", 2), ("credentials", 1), ("absent", 1)])
def test_only_what_may_go_another_way_is_tried_once_more(
    cause: Optional[str],
    times: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(reaping, "sweep", lambda _: None)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    asked: list[str] = []

    def place_of(*_: object) -> Any:
        asked.append("once")
        raise EngineError("it says no", "ask somebody", cause=cause)

    context = Context("unit-3.10", "unit", "Run.", "3.10", tmp_path)
    with pytest.raises(EngineError, match="it says no"):
        running.run_suite(context, suites.unit, place_of=place_of)
    assert len(asked) == times
    assert ("tried once more" in capsys.readouterr().out) == (times > 1)
    (record,) = (tmp_path / ".noxlib" / "runs").glob("*/record.json")
    assert store.read_record(record).attempts == times
