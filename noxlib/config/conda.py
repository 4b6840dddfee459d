"""Projects whose world is conda: an early, honest line instead of a testground that cannot work."""

from __future__ import annotations

from noxlib.config.files import Sources
from noxlib.errors import ConfigError

FILES = ("environment.yml", "environment.yaml", "pixi.lock", "pixi.toml", "conda-lock.yml")


def find_conda(sources: Sources) -> tuple[str, ...]:
    """The files, and the table, that describe a conda environment."""
    files = tuple(name for name in FILES if (sources.root / name).is_file())
    return (*files, "pyproject.toml: tool.pixi") if "pixi" in sources.table("tool") else files


def refuse_conda(found: tuple[str, ...]) -> None:
    """Say what to do where conda alone knows the dependencies.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        f"the dependencies stand in {found[0]} only: noxlib installs from a package index, not from conda",
        "write your own Dockerfile.test that makes the conda environment (template: docs/conda.md), "
        "or name what the tests need in [tool.noxlib]: packages = […]",
    )
