"""Calls of a build back end's hooks, in this process (PEP 517, PEP 660)."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Sequence


class BuildFailed(Exception):
    """The back end could not build the project; the text is its own."""


class Backend:
    """A back end as ``[build-system]`` names it: ``module`` or ``module:object.attribute``."""

    def __init__(self, name: str, path: Sequence[str], workspace: Path) -> None:
        self.name = name
        self.workspace = workspace
        sys.path[:0] = [str(workspace / entry) for entry in path]
        module, _, attributes = name.partition(":")
        self.object: Any = self.guarded(lambda: importlib.import_module(module))
        for attribute in filter(None, attributes.split(".")):
            self.object = getattr(self.object, attribute)

    def hook(self, name: str) -> Callable[..., Any] | None:
        found: Callable[..., Any] | None = getattr(self.object, name, None)
        return found

    def install_requirements(self, settings: dict[str, Any] | None, uv: str | None) -> None:
        """Install what the back end asks for besides ``build-system.requires`` and is not there yet.

        Where nothing can be installed the build is tried all the same: what is missing may be meant for another Python
        or an extra (flit names both, with their markers), which only a resolver can tell.
        """
        hook = self.hook("get_requires_for_build_editable")
        if hook is None:
            return
        missing = [requirement for requirement in self.guarded(lambda: hook(settings)) if not is_installed(requirement)]
        if not missing:
            return
        if uv is None:
            print(f"noxlib: {self.name} asks for {', '.join(missing)}, which is not locked for this Python", flush=True)
            return
        print(f"noxlib: installing for {self.name}: {', '.join(missing)}", flush=True)
        done = subprocess.run([uv, "pip", "install", "--quiet", "--python", sys.executable, *missing], check=False)
        if done.returncode:
            raise BuildFailed(f"uv could not install {', '.join(missing)}, which {self.name} needs")

    def build_editable(self, folder: str, settings: dict[str, Any] | None) -> Path:
        """Give the editable wheel, or the dist-info folder where the back end is older than PEP 660."""
        hook = self.hook("build_editable")
        if hook is not None:
            return Path(folder, self.guarded(lambda: hook(folder, settings)))
        print(f"noxlib: {self.name} has no editable builds; its metadata and the sources' folder stand in", flush=True)
        self.build_extensions_in_place()
        metadata = self.hook("prepare_metadata_for_build_wheel")
        if metadata is not None:
            return Path(folder, self.guarded(lambda: metadata(folder, settings)))
        return dist_info_of(Path(folder, self.guarded(lambda: self.object.build_wheel(folder, settings))))

    def build_extensions_in_place(self) -> None:
        """Old setuptools leaves extensions beside the sources only when it is told to."""
        if self.name.startswith("setuptools.") and (self.workspace / "setup.py").exists():
            done = subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], check=False)
            if done.returncode:
                raise BuildFailed(f"{self.name} could not build the extensions; its own lines are above")

    def guarded(self, call: Callable[[], Any]) -> Any:
        """Call the back end; whatever it raises becomes BuildFailed with its own last lines."""
        try:
            return call()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a back end may raise anything at all
            sys.stdout.flush()
            raise BuildFailed(f"{self.name} cannot build the project:\n{last_words(error, self.workspace)}") from None


def last_words(error: BaseException, workspace: Path) -> str:
    """The error as Python ends a traceback, with the frames that lie in the project and no others."""
    if isinstance(error, subprocess.CalledProcessError):  # its command's own lines were shown as they came
        return str(error)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_inside(frame.filename, workspace)]
    for frame in frames:
        if frame.filename == "<string>":  # how setuptools executes it
            frame.filename = "setup.py"
    return "".join([*traceback.format_list(frames), *traceback.format_exception_only(type(error), error)]).rstrip()


def is_inside(file: str, folder: Path) -> bool:
    """Whether a frame's file, which may be relative, lies in the folder; the import system's own files are nowhere."""
    return not file.startswith("<frozen ") and os.path.join(os.getcwd(), file).startswith(f"{folder}{os.sep}")


def dist_info_of(wheel_file: Path) -> Path:
    """Take the dist-info folder out of a wheel."""
    import zipfile  # noqa: PLC0415 - for back ends that nobody has seen for years

    with zipfile.ZipFile(wheel_file) as archive:
        members = [name for name in archive.namelist() if re.match(r"[^/]+\.dist-info/", name)]
        archive.extractall(wheel_file.parent, members)
    return wheel_file.parent / members[0].split("/")[0]


def is_installed(requirement: str) -> bool:
    """Whether a distribution of that name is there, in whichever version: the back end checks it anew."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def set_up_environment(scratch: str) -> None:
    """The build environment's own programs first, no byte code, and cargo's gigabytes outside of the workspace."""
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    os.environ.setdefault("CARGO_TARGET_DIR", os.path.join(scratch, "cargo"))
    sys.argv = [sys.argv[0]]
