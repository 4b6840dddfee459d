"""The coverage of all Pythons and suites combined to one report, with the paths of the checkout."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.plan import Plan
from noxlib.records import result as results
from noxlib.records.badge import badge
from noxlib.records.folders import RunFolder

_WORKSPACE = "/workspace"  # in every container


class CoverageResult(msgspec.Struct, frozen=True):
    """What was combined; the files ``html/index.html``, coverage.xml, coverage.json and badge.svg lie in ``out``."""

    percent: float
    files: int
    text: str  #: the terminal's report, and below it what was left out
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
    try:
        with _inside(checkout), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            usable, notes = _usable(coverage, found)
            atomic.remove_tree(out)
            out.mkdir(parents=True)
            with _combined(coverage, checkout, usable, out) as measured:
                result = _report(measured, usable, out)
                notes += _absent(measured)
        # Connections that coverage leaves to the garbage collector are no news for a user.
        told = [str(warning.message) for warning in caught if not issubclass(warning.category, ResourceWarning)]
        text = [result.text, *notes, *dict.fromkeys(told)]
        return msgspec.structs.replace(result, text="\n".join(text))
    except (coverage.CoverageException, coverage.exceptions.ConfigError) as error:
        raise RecordError(
            f"coverage: {str(error).splitlines()[0]}",
            "see the project's coverage configuration, then run the tests again",
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


def _usable(coverage: Any, found: list[_Run]) -> tuple[list[_Run], list[str]]:
    """The runs with those of their files that can be read, and a note for each that cannot.

    Data of branches and of statements alone do not combine: raises RecordError that says which run has which.
    """
    kinds: dict[bool, str] = {}
    usable: dict[str, list[Path]] = {run.session: [] for run in found}
    notes: list[str] = []
    for session, path in ((run.session, path) for run in found for path in run.data):
        try:
            with_branches = _has_branches(coverage, path)
        except coverage.CoverageException as error:
            notes.append(f"left out, as it cannot be read: {path} ({error})")
            continue
        usable[session].append(path)
        if with_branches is not None:
            kinds.setdefault(with_branches, session)
    if len(kinds) > 1:
        raise RecordError(
            f"{kinds[True]} measured branches and {kinds[False]} statements only, which do not combine",
            f"set branch in the project's coverage configuration once for all, then run {kinds[False]} again",
        )
    return [msgspec.structs.replace(run, data=tuple(usable[run.session])) for run in found], notes


def _has_branches(coverage: Any, path: Path) -> bool | None:
    """Whether the data is of branches; None if there is none in it."""
    with contextlib.closing(coverage.CoverageData(basename=str(path))) as data:
        data.read()
        return bool(data.has_arcs()) if data.measured_files() else None


@contextlib.contextmanager
def _combined(coverage: Any, checkout: Path, found: list[_Run], out: Path) -> Iterator[Any]:
    measured = coverage.Coverage(data_file=str(out / ".coverage"))
    workspaces = sorted({_WORKSPACE, *(run.workspace for run in found)} - {"", "/", str(checkout)})
    own = measured.get_option("paths") or {}
    measured.set_option("paths", {**own, "noxlib": [str(checkout), *workspaces]})
    measured.set_option("run:relative_files", True)
    measured.set_option("report:ignore_errors", True)  # generated files are in no checkout; they are named below
    try:
        measured.combine([str(path) for run in found for path in run.data], strict=True, keep=True)
        measured.save()
        yield measured
    finally:
        measured.get_data().close()


def _report(measured: Any, found: list[_Run], out: Path) -> CoverageResult:
    text = io.StringIO()
    percent = float(measured.report(file=text))
    measured.html_report(directory=str(out / "html"))
    measured.xml_report(outfile=str(out / "coverage.xml"))
    measured.json_report(outfile=str(out / "coverage.json"))
    atomic.write(out / "badge.svg", badge(percent).encode(), mode=0o644)
    lines = f"{text.getvalue().rstrip()}\nof {', '.join(run.session for run in found)}"
    return CoverageResult(percent, _count(out), lines, _below(measured, percent))


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
