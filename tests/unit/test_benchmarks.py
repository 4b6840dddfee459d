"""The benchmarks' arithmetic and reports. No time is asserted anywhere: machines differ."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import figures, report, sampling
from benchmarks.__main__ import BENCHMARKS, main

seconds = st.floats(min_value=1e-3, max_value=1e3)


def result(median: float, limit: float = 0.25, unit: str = "s") -> figures.Result:
    measured = figures.Figure(median, median - 0.1, median + 0.1, 5)
    return figures.Result("container", "warm unit", limit, unit, measured, {"bare": figures.Figure(0.5, 0.4, 0.6, 5)})


def test_a_figure_is_the_median_with_its_spread() -> None:
    assert figures.figure([3.0, 1.0, 2.0]) == figures.Figure(2.0, 1.0, 3.0, 3)


def test_nothing_measured_is_an_error_and_no_figure() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        figures.figure([])


@given(st.lists(st.tuples(seconds, seconds), min_size=1))
def test_a_load_that_slows_both_of_a_pair_leaves_the_ratio_as_it_is(pairs: list[tuple[float, float]]) -> None:
    ours, bare = zip(*pairs)
    slowed = figures.ratios([2 * one for one in ours], [2 * one for one in bare])
    assert slowed == pytest.approx(figures.ratios(ours, bare))


def test_differences_are_taken_round_by_round() -> None:
    assert figures.differences([2.0, 12.0], [1.0, 10.0]) == [1.0, 2.0]


@pytest.mark.parametrize("compare", [figures.differences, figures.ratios])
def test_rounds_that_do_not_pair_are_refused(compare: object) -> None:
    assert callable(compare)
    with pytest.raises(ValueError, match="2 rounds of one and 1 of the other"):
        compare([1.0, 2.0], [1.0])


@given(st.lists(seconds, min_size=1), st.integers(1, 8))
def test_no_number_of_workers_is_faster_than_the_slowest_or_an_equal_share(
    durations: list[float], workers: int
) -> None:
    least = figures.ideal(durations, workers)
    assert least >= max(durations)
    assert least * workers >= sum(durations) * (1 - 1e-9)
    assert least <= sum(durations) * (1 + 1e-9)


@pytest.mark.parametrize(("median", "verdict"), [(0.2, "met"), (0.25, "met"), (0.26, "missed")])
def test_the_median_decides(median: float, verdict: str) -> None:
    assert report.verdict(result(median)) == verdict


def test_the_table_has_target_limit_measured_spread_and_verdict() -> None:
    head, _, row = report.table([result(0.3)]).splitlines()
    assert head.split() == ["target", "limit", "measured", "spread", "verdict"]
    cells = [cell.strip() for cell in row.split("  ") if cell]
    assert cells == ["warm unit", "0.25 s", "0.30 s", "0.20-0.40, 5 rounds", "missed"]


def test_the_line_says_what_a_ratio_is_made_of_in_seconds() -> None:
    assert report.line(result(1.2, 1.4, "x")) == "container: 1.20 x (bare 0.50 s): met"


def test_the_line_of_parallel_runs_has_ratios_only() -> None:
    assert report.line(result(1.2, 1.15, "x")._replace(details_unit="x")) == "container: 1.20 x (bare 0.50 x): missed"


def test_the_circumstances_tell_of_the_load() -> None:
    assert "CPUs, load" in report.circumstances()


def test_json_holds_every_figure_and_the_machine() -> None:
    found = json.loads(report.to_json([result(0.3)]))
    assert found["results"][0]["measured"] == pytest.approx({"median": 0.3, "low": 0.2, "high": 0.4, "rounds": 5})
    assert found["results"][0]["met"] is False
    assert found["results"][0]["details"]["bare"]["median"] == 0.5
    assert {"python", "system", "cpus", "load"} <= set(found["machine"])


def test_calls_take_turns_and_the_first_round_is_dropped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 1.0)
    called: list[str] = []

    def call(name: str) -> float:
        called.append(name)
        return float(len(called))

    values = sampling.in_turns({"a": lambda: call("a"), "b": lambda: call("b")}, 2)
    assert called == ["a", "b"] * 3
    assert values == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert "round 2" in capsys.readouterr().out


def test_a_busy_machine_is_waited_for_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 100.0)
    assert not sampling.await_quiet(patience=0.0)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 1.0)
    assert sampling.await_quiet()


def test_a_command_that_fails_has_no_time_but_tells_its_last_lines(tmp_path: Path) -> None:
    argv = (sys.executable, "-c", "print('what went wrong'); raise SystemExit(3)")
    with pytest.raises(sampling.Failed, match=r"(?s)ended with 3.*what went wrong"):
        sampling.timed(argv, tmp_path)


def test_installed_packages_are_compiled_so_byte_code_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("NOXLIB_PLACE", "venv")
    assert not {"PYTHONDONTWRITEBYTECODE", "NOXLIB_PLACE"} & set(sampling.base_environment())


def test_an_unknown_benchmark_is_refused_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lits"])
    assert "there is no benchmark 'lits'" in capsys.readouterr().err


def test_every_benchmark_is_explained_in_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "speed.md").read_text(encoding="utf-8")
    assert [name for name in BENCHMARKS if f"`{name}`" not in text] == []
