"""Sdists by name, version and hash from whatever index this machine uses; nothing of them is run on the way."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import tenacity

from noxlib.engines import uv
from noxlib.engines.index import index_environment

if TYPE_CHECKING:
    from tests.real.table import RealProject

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]


class WrongSdistError(Exception):
    """The index offers no such sdist, or its content is another one."""


def unpack(project: RealProject, cache: Path, target: Path) -> Path:
    """The project's folder, freshly unpacked below ``target``.

    Raises:
        WrongSdistError: The hash is not the table's.
    """
    with tarfile.open(fetch(project, cache)) as archive:
        archive.extractall(target, filter="data")
    (folder,) = target.iterdir()
    return folder


def fetch(project: RealProject, cache: Path) -> Path:
    """The sdist's file in ``cache``, downloaded if it is not there; checked in either case."""
    path = cache / f"{project.name}-{project.version}.tar.gz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(download(locate(project)))
        partial.replace(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != project.sha256:
        path.unlink()
        raise WrongSdistError(f"{path.name} has the hash {found}, the table says {project.sha256}")
    return path


@tenacity.retry(stop=tenacity.stop_after_attempt(5), wait=tenacity.wait_exponential(), reraise=True)
def download(url: str) -> bytes:
    """An index may not answer at the first time."""
    response = requests.get(url, timeout=60)
    response.raise_for_status()
    return response.content


def locate(project: RealProject) -> str:
    """The address of the sdist. uv asks the index, so that configuration, credentials and certificates are uv's.

    ``pip download --no-binary`` would run the project's back end for its metadata.
    """
    argv = [uv.binary(), "pip", "compile", "--quiet", "--no-deps", "--no-config", "--format=pylock.toml", "-"]
    requirement = f"{project.name}=={project.version}\n"
    done = subprocess.run(
        [*argv, f"--python-version={project.pythons[-1]}"],
        input=requirement,
        env={**os.environ, **index_environment(os.environ), "UV_HTTP_RETRIES": "10"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (package,) = tomllib.loads(done.stdout)["packages"]
    if package.get("sdist", {}).get("hashes", {}).get("sha256") != project.sha256:
        raise WrongSdistError(f"the index has no sdist {requirement.strip()} with the hash {project.sha256}")
    return str(package["sdist"]["url"])
