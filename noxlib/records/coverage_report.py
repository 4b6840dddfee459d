"""The coverage of all Pythons and suites combined to one report, with the paths of the checkout."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator  # noqa: TC003 - msgspec resolves the annotations
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.plan import Plan
from noxlib.records import result as results
from noxlib.records.badge import badge
from noxlib.records.folders import RunFolder  # noqa: TC001 - as above

_WORKSPACE = "/workspace"  # in every container


class CoverageResult(msgspec.Struct, frozen=True):
    """What was combined; the files ``html/index.html``, coverage.xml, coverage.json and badge.svg lie in ``out``."""

    percent: float
    files: int
    text: str  #: the terminal's report, and below it what was left out
    sessions: tuple[str, ...]
    below: Optional[float] = None  #: the project's ``fail_under``, if the total is below it


class _Run(msgspec.Struct, frozen=True):
    session: str
    data: tuple[Path, ...]
    workspace: str


def combine(checkout: Path, folders: Iterable[RunFolder], *, out: Path) -> CoverageResult:
    """Combine the data of each session's newest run that has some, and write the reports below ``out``.

    The project's own coverage configuration decides what the reports show.

    Args:
        checkout: Where that configuration and the sources are.
        folders: Runs, the newest first.
        out: Made anew.

    Raises:
        RecordError: there is no data, it does not combine, or coverage is not installed.
    """
    coverage = _coverage()
    found = _newest(folders)
    if not found:
        raise RecordError("no run has left coverage data", "run tests first: nox -s unit -- --coverage")
    with _inside(checkout), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _check_kinds(coverage, found)
            atomic.remove_tree(out)
            out.mkdir(parents=True)
            measured = _combined(coverage, checkout, found, out)
            return _report(measured, found, out, caught)
        except coverage.CoverageException as error:
            raise RecordError(
                f"coverage: {str(error).splitlines()[0]}",
                "see [tool.coverage] of the project, then run the tests again",
            ) from error
        except OSError as error:
            raise RecordError(f"the coverage report cannot be written: {error}", f"make {out} writable") from error


def _coverage() -> Any:
    try:
        import coverage  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise RecordError(
            "coverage is not installed beside noxlib", "install it: pip install 'noxlib[coverage]'"
        ) from error
    return coverage


def _newest(folders: Iterable[RunFolder]) -> list[_Run]:
    """The newest run with data of each session; a session's name holds its Python."""
    found: dict[str, _Run] = {}
    for folder in folders:
        data = () if folder.session in found else _data_files(folder)
        if data:
            plan = results.read(folder.path / "plan.json", Plan)
            found[folder.session] = _Run(folder.session, data, plan.task.workspace if plan else _WORKSPACE)
    return list(found.values())


def _data_files(folder: RunFolder) -> tuple[Path, ...]:
    place = folder.path / "coverage"
    return () if place.is_symlink() else tuple(filter(results.is_plain_file, sorted(place.glob(".coverage*"))))


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    """Coverage looks for its configuration, and makes paths relative, where it runs."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _check_kinds(coverage: Any, found: list[_Run]) -> None:
    """Data of branches and of statements alone do not combine: say which run has which."""
    kinds = {run.session: kind for run in found if (kind := _kind(coverage, run)) is not None}
    branches = [session for session, with_branches in kinds.items() if with_branches]
    statements = [session for session, with_branches in kinds.items() if not with_branches]
    if branches and statements:
        raise RecordError(
            f"{branches[0]} measured branches and {statements[0]} statements only, which do not combine",
            f"set branch in the project's coverage configuration once for all, then run {statements[0]} again",
        )


def _kind(coverage: Any, run: _Run) -> bool | None:
    """Whether a run measured branches; None if its data is empty or cannot be read, which the report will say."""
    for path in run.data:
        data = coverage.CoverageData(basename=str(path))
        with contextlib.suppress(coverage.CoverageException):
            data.read()
            if data.measured_files():
                return bool(data.has_arcs())
    return None


def _combined(coverage: Any, checkout: Path, found: list[_Run], out: Path) -> Any:
    measured = coverage.Coverage(data_file=str(out / ".coverage"))
    workspaces = sorted({_WORKSPACE, *(run.workspace for run in found)} - {"", "/", str(checkout)})
    own = measured.get_option("paths") or {}
    measured.set_option("paths", {**own, "noxlib": [str(checkout), *workspaces]})
    measured.set_option("run:relative_files", True)
    measured.set_option("report:ignore_errors", True)  # generated files are in no checkout; they are named below
    measured.combine([str(path) for run in found for path in run.data], strict=True, keep=True)
    measured.save()
    return measured


def _report(measured: Any, found: list[_Run], out: Path, caught: list[warnings.WarningMessage]) -> CoverageResult:
    text = io.StringIO()
    percent = float(measured.report(file=text))
    measured.html_report(directory=str(out / "html"))
    measured.xml_report(outfile=str(out / "coverage.xml"))
    measured.json_report(outfile=str(out / "coverage.json"))
    atomic.write(out / "badge.svg", badge(percent).encode(), mode=0o644)
    sessions = tuple(run.session for run in found)
    notes = [*_absent(measured), *dict.fromkeys(str(warning.message) for warning in caught)]
    parts = [text.getvalue().rstrip(), f"of {', '.join(sessions)}", *notes]
    return CoverageResult(percent, _count(out), "\n".join(parts), sessions, _below(measured, percent))


def _absent(measured: Any) -> list[str]:
    absent = sorted(path for path in measured.get_data().measured_files() if not Path(path).exists())
    return [f"{len(absent)} files are not in the checkout and left out: {', '.join(absent[:5])}"] if absent else []


def _count(out: Path) -> int:
    return len(msgspec.json.decode((out / "coverage.json").read_bytes())["files"])


def _below(measured: Any, percent: float) -> float | None:
    """``fail_under`` if the total is below it, compared as coverage does: 100 means all, else rounded."""
    least = float(measured.get_option("report:fail_under") or 0)
    rounded = percent if least == 100 else round(percent, measured.get_option("report:precision") or 0)  # noqa: PLR2004
    return least if rounded < least else None
