"""The Pythons of a project: configured, or 3.9-3.12 within what it requires."""

from __future__ import annotations

from pathlib import Path

from noxlib.config.files import Sources, wrong_type
from noxlib.config.found import Found
from noxlib.config.models import Config
from noxlib.errors import ConfigError

DEFAULT = ("3.9", "3.10", "3.11", "3.12")
NEWER = ("3.13", "3.14", "3.15")

_PATCHES = range(40, -1, -1)  # plausible patch releases: ">=3.9.2" admits 3.9, "<3.12" does not admit 3.12


def detect_pythons(root: Path, config: Config) -> tuple[str, ...]:
    """See ``find_pythons``; only what the names of the sessions need is read."""
    return find_pythons(Sources(root), config).values


def find_pythons(sources: Sources, config: Config) -> Found:
    """The project's Pythons as uv names them.

    Raises:
        ConfigError: what the project requires is no version specifier, or admits none of the default Pythons.
    """
    if config.pythons:
        return Found(config.pythons, "tool.noxlib")
    required, origin = required_python(sources)
    if not required:
        return Found(DEFAULT, "default")
    found = tuple(python for python in DEFAULT if admits(required, python, origin))
    if found:
        return Found(found, f"{origin} {required!r}")
    newer = next((python for python in NEWER if admits(required, python, origin)), NEWER[0])
    raise ConfigError(
        f"{origin}: {required!r} admits none of Python {DEFAULT[0]}-{DEFAULT[-1]}",
        f'name the Pythons to test on in [tool.noxlib]: pythons = ["{newer}"]',
    )


def newest(pythons: tuple[str, ...]) -> str:
    """The newest of some Pythons; a plain CPython before a free-threaded one and PyPy, of which the last is taken.

    >>> newest(("3.9", "3.10", "3.14t", "pypy3.11"))
    '3.10'
    """
    plain = [python for python in pythons if python.replace(".", "").isdigit()]
    return max(plain, key=lambda python: tuple(map(int, python.split(".")))) if plain else pythons[-1]


def required_python(sources: Sources) -> tuple[str, str]:
    """What the project says of its Pythons, and where; PEP 440 but for poetry's own table."""
    poetry = sources.table("tool", "poetry", "dependencies").get("python", "")
    if not isinstance(poetry, str):
        raise wrong_type("tool.poetry.dependencies.python", "a string", poetry)
    setup_cfg = sources.setup_cfg.get("options", {}).get("python_requires", "")
    places = (
        (sources.string("project", "requires-python"), "pyproject.toml: project.requires-python"),
        (poetry, "pyproject.toml: tool.poetry.dependencies.python"),
        (sources.string("tool", "flit", "metadata", "requires-python"), "pyproject.toml: tool.flit.metadata"),
        (setup_cfg, "setup.cfg: options.python_requires"),
    )
    for required, origin in places:
        if required.strip():
            return required.strip(), origin
    return sources.setup_py_literals.python_requires, "setup.py: python_requires"


def admits(required: str, python: str, origin: str) -> bool:
    """Whether any patch release of a Python is within the specifier.

    Raises:
        ConfigError: the specifier is none.
    """
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - only where it is needed

    try:
        sets = [SpecifierSet(text) for text in _alternatives(required, origin)]
    except ValueError:
        raise ConfigError(
            f"{origin}: expected a version specifier such as '>=3.9', found {required!r:.80}", "correct it there"
        ) from None
    return any(one.contains(f"{python}.{patch}") for one in sets for patch in _PATCHES)


def _alternatives(required: str, origin: str) -> tuple[str, ...]:
    if "tool.poetry" not in origin:
        return (required,)
    from noxlib.config.poetry_versions import alternatives, specifier  # noqa: PLC0415 - poetry projects only

    return tuple(specifier(text) for text in alternatives(required))
