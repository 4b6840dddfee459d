"""The editable install of a project, made by its own back end and kept apart: ``output/site`` and ``output/tree``.

``site`` holds what an installer would put into site-packages (.pth files, dist-info, modules; scripts in ``site/bin``),
``tree`` what the build made in the workspace (generated modules, extensions), to be laid over the checkout.
``prepared.json`` is written last, so that its absence means failure.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import backend, mesonpy, names, tree, wheel

# Starts coverage in subprocesses of the tests, where the installed coverage brings no such file itself.
COVERAGE_PTH = "import os; os.environ.get('COVERAGE_PROCESS_START') and __import__('coverage').process_startup()\n"


def main(argv: list[str]) -> int:
    """Carry out the request whose file is the one argument; exit code 1 and the back end's own words if it fails."""
    try:
        (path,) = argv[1:]
        request = read(path)
        prepared = prepare(request)
    except backend.BuildFailed as error:
        print(f"noxlib: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"noxlib: cannot prepare: {error}", file=sys.stderr)
        return 1
    target = Path(request["output"], "prepared.json")
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps(prepared, indent=1), encoding="utf-8")
    temporary.replace(target)
    return 0


def read(path: str) -> dict[str, Any]:
    """Read a request; raises OSError, or ValueError where it is none."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = [name for name in ("workspace", "output", "python") if name not in request]
    if missing:
        raise ValueError(f"the request lacks {', '.join(missing)}")
    return dict(request)


def prepare(request: dict[str, Any]) -> dict[str, Any]:
    """Build, unpack, copy; give what ``prepared.json`` holds. Raises BuildFailed if the back end fails."""
    began = time.monotonic()
    workspace, output = Path(request["workspace"]), Path(request["output"])
    site = output / "site"
    site.mkdir(parents=True, exist_ok=True)
    (output / "tree").mkdir(exist_ok=True)
    (site / "noxlib_coverage.pth").write_text(COVERAGE_PTH, encoding="utf-8")
    before = tree.snapshot(workspace, output)
    found = build(request, workspace, output, site) if request.get("backend") else root_on_path(workspace, site)
    owned = set(before if request.get("owned") is None else request["owned"])
    files = tree.copy_changes(workspace, before, owned, output / "tree", output)
    return {
        "import_names": found,
        "files": files,
        "seconds": round(time.monotonic() - began, 3),
        "backend": request.get("backend"),
        "environment": {},
    }


def build(request: dict[str, Any], workspace: Path, output: Path, site: Path) -> list[str]:
    """Build and unpack the editable wheel; give the project's import names."""
    os.chdir(workspace)
    with tempfile.TemporaryDirectory(dir=output, prefix=".wheel-") as folder:
        backend.set_up_environment(folder)
        hooks = backend.Backend(request["backend"], request.get("backend_path") or (), workspace)
        settings: dict[str, Any] | None = request.get("config_settings") or None
        hooks.install_requirements(settings, request.get("uv"))
        built = hooks.build_editable(folder, settings)
        distribution = wheel.unpack(built, site) if built.suffix == ".whl" else wheel.adopt(built, site, workspace)
    mesonpy.leave_built(site)
    wheel.write_scripts(site, distribution, request["python"])
    wheel.finish(site, distribution, workspace)
    return names.of_distribution(site, distribution, workspace)


def root_on_path(workspace: Path, site: Path) -> list[str]:
    """A project without a build: its root goes on ``sys.path``, behind what is installed."""
    (site / "noxlib_root.pth").write_text(f"{workspace}\n", encoding="utf-8")
    return names.below(workspace, workspace, workspace.name)
