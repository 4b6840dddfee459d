"""Coverage of a run: started before pytest, followed into subprocesses and workers, saved whatever happens."""

from __future__ import annotations

import os
from typing import Any

OPTIONS = (
    "branch",
    "concurrency",
    "context",
    "core",
    "disable_warnings",
    "dynamic_context",
    "include",
    "omit",
    "plugins",
    "source",
    "source_pkgs",
)
current: Any | None = None  # the Coverage object that measures this process


def start(folder: str) -> None:
    """Start measuring by the project's own configuration, into ``folder/.coverage.*``, paths relative to the checkout.

    Does nothing but say so where coverage is not installed.
    """
    global current  # noqa: PLW0603 - one process has one tracer
    try:
        import coverage  # noqa: PLC0415 - the testground may be without it
    except ImportError:
        print("noxlib: coverage is not installed in this testground, so nothing is measured", flush=True)
        return
    data = os.path.join(folder, ".coverage")
    os.environ["COVERAGE_FILE"] = data
    current = coverage.Coverage(data_file=data, data_suffix=True)
    _adapt(current)
    os.environ["COVERAGE_PROCESS_START"] = _write_rcfile(current, folder, data)
    current.start()


def _adapt(measurement: Any) -> None:
    """Paths as in the checkout, a file for each process, and nothing of ours in the figures."""
    omit = list(measurement.get_option("run:omit") or measurement.get_option("report:omit") or [])
    measurement.set_option("run:omit", [*omit, os.path.join(os.path.dirname(os.path.abspath(__file__)), "*")])
    # Under pytest-xdist the controller itself runs none of the project's code.
    quiet = list(measurement.get_option("run:disable_warnings") or [])
    measurement.set_option("run:disable_warnings", [*quiet, "no-data-collected"])
    measurement.set_option("run:relative_files", True)
    measurement.set_option("run:parallel", True)


def _write_rcfile(measurement: Any, folder: str, data: str) -> str:
    """Write the configuration for subprocesses, which may start in any folder."""
    found: dict[str, str] = {"parallel": "true", "relative_files": "true", "data_file": data}
    for name in OPTIONS:
        value = _option(measurement, f"run:{name}")
        if name == "source" and value:  # folders must not depend on where a subprocess starts; packages are names
            value = [os.path.abspath(entry) if os.path.isdir(entry) else entry for entry in value]
        if value:
            found[name] = "\n".join(value) if isinstance(value, (list, tuple)) else str(value)
    import configparser  # noqa: PLC0415 - only where something is measured

    parser = configparser.RawConfigParser()
    parser["run"] = {name: value.replace("$", "$$") for name, value in found.items()}
    path = os.path.join(folder, "coverage.rc")
    with open(path, "w", encoding="utf-8") as stream:
        parser.write(stream)
    return path


def _option(measurement: Any, name: str) -> Any:
    try:
        return measurement.get_option(name)
    except Exception as error:
        if "No such option" not in str(error):
            raise
        return None  # an older coverage does not know it


def yield_to_pytest_cov(active: bool) -> None:
    """Throw our measurement away where the project's own options start pytest-cov, which then measures instead."""
    global current  # noqa: PLW0603
    if current is not None and active:
        current.stop()
        current._auto_save = False  # noqa: SLF001 - else it would write what it saw until now at exit
        current = None
        os.environ.pop("COVERAGE_PROCESS_START", None)


def save() -> None:
    """Stop and write what was measured; called at the end, and by the deadline from its own thread."""
    global current
    measurement, current = current, None
    if measurement is not None:
        try:
            measurement.stop()
        finally:
            measurement.save()


def start_in_worker() -> None:
    """Measure a worker of pytest-xdist where coverage installs no .pth file that would have done so already."""
    if os.environ.get("COVERAGE_PROCESS_START"):
        import coverage  # noqa: PLC0415

        coverage.process_startup()


def save_worker() -> None:
    """Write a worker's data before the controller may kill it."""
    if os.environ.get("COVERAGE_PROCESS_START"):
        import coverage  # noqa: PLC0415

        measurement = getattr(coverage.process_startup, "coverage", None)
        if measurement is not None:
            measurement.save()
