"""Our own Dockerfile, for a project that has none: rendered from the configuration, the back end and the lock. Pure."""

from __future__ import annotations

import re
import shlex
import string
from importlib import resources
from typing import TYPE_CHECKING

from noxlib.errors import ConfigError

if TYPE_CHECKING:
    from noxlib.config.project import Project
    from noxlib.testground.locked import Lock

_APT_NAME = re.compile(
    r"[a-z0-9][a-z0-9+.-]*(:[a-z0-9-]+)?([=/][A-Za-z0-9.+:~-]+)?"
)  # apt-get(8): name, =version, /suite
_COMPILERS = ("gcc", "g++", "make", "libc6-dev", "pkg-config")
_RUST = ("cargo", "rustc")
_NATIVE = re.compile(
    r"^(meson-python|scikit-build(-core)?|cython|pybind11|nanobind|cffi|mypy|numpy|swig|cmake|ninja|hatch-mypyc|hatch-cython"
    r"|setuptools-rust|maturin|pythran)\b"
)
_NEEDS_RUST = re.compile(r"^(maturin|setuptools-rust)\b")
_NEEDS_GIT = re.compile(r"(scm|vcs|versioning|dunamai|versioneer|pbr)")
_EXTENSIONS = re.compile(r"ext_modules|Extension\(|cythonize|mypycify|cffi_modules|rust_extensions|CMakeExtension")
MOUNTS = (
    "--mount=type=secret,id=ca,mode=0444",
    "--mount=type=secret,id=index",
    "--mount=type=secret,id=netrc,target=/root/.netrc",
    "--mount=type=cache,target=/root/.cache",
)
SECRETS = (
    "set -eu; export UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never;",
    "if [ -f /run/secrets/ca ]; then",
    "  for name in SSL_CERT_FILE PIP_CERT REQUESTS_CA_BUNDLE GIT_SSL_CAINFO CARGO_HTTP_CAINFO; do",
    "    export $name=/run/secrets/ca; done; fi;",
    "if [ -f /run/secrets/index ]; then set -a; . /run/secrets/index; set +a; fi;",
)
# Prepared files where noxlib laid them; in a plain `docker run` the checkout itself, last on the path.
_PTH = (
    "import os, site, sys; isdir = os.path.isdir; "
    "site.addsitedir('/opt/noxlib/site') if isdir('/opt/noxlib/site') else "
    "sys.path.extend(path for path in ('/workspace/src', '/workspace') if os.path.isdir(path))"
)


class _Template(string.Template):
    delimiter = "@"  # the shell keeps its own


def render(project: Project, python: str, lock: Lock, base: str) -> str:
    """The Dockerfile's text for one Python; stages builder, runtime and test. Raises ConfigError for a bad apt name."""
    text = resources.files("noxlib").joinpath("templates/Dockerfile.test.template").read_text("utf-8")
    managed = _is_managed(python)
    return _Template(text).substitute(
        base=base,
        interpreter=_interpreter_stage(python) if managed else "",
        python="COPY --from=interpreter /opt/python /opt/python\nENV PATH=/opt/python/bin:$PATH\n" if managed else "",
        apt=_install(apt_names(project.config.apt) + (("tzdata", "ca-certificates") if managed else ())),
        toolchain=_install(toolchain(project, lock)),
        mounts=" ".join(MOUNTS),
        secrets=" \\\n    ".join(SECRETS),
        files=" ".join(shlex.quote(name) for name in lock.files) or '""',
        build_files=" ".join(shlex.quote(name) for name in lock.build_files),
        pth=_PTH.replace("'", "\\x27") + "\\n",
    )


def base_image(python: str) -> str:
    """The image that a Python is taken from: ``python:3.10-slim``, ``pypy:3.11-slim``, Debian for what uv installs."""
    if python.startswith("pypy"):
        return f"pypy:{python[4:]}-slim"
    return "debian:bookworm-slim" if _is_managed(python) else f"python:{python}-slim"


def helper_images(python: str) -> tuple[str, ...]:
    """Further images that the template needs: one with pip, from which uv installs a free-threaded Python."""
    return ("python:3.13-slim",) if _is_managed(python) else ()


def _is_managed(python: str) -> bool:
    return python.endswith("t")


def _interpreter_stage(python: str) -> str:
    secrets = " \\\n    ".join(SECRETS).replace(" UV_PYTHON_DOWNLOADS=never", "")
    return (
        f"FROM python:3.13-slim AS interpreter\nARG UV_VERSION\nRUN {' '.join(MOUNTS)} \\\n    {secrets} \\\n"
        '    python -m pip install --quiet --root-user-action=ignore "uv==$UV_VERSION"; \\\n'
        f"    uv python install --install-dir /opt/installed {python}; mkdir -p /opt/python; \\\n"
        "    cp -a /opt/installed/*/. /opt/python/; ln -sf python3 /opt/python/bin/python\n\n"
    )


def apt_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, checked: they become words of a shell command. Raises ConfigError."""
    for name in names:
        if not _APT_NAME.fullmatch(name):
            raise ConfigError(
                f"[tool.noxlib] apt: {name!r} is no Debian package name", "write it as apt-get install takes it"
            )
    return names


def _install(names: tuple[str, ...]) -> str:
    """A layer of its own. The CA bundle is there for Debian mirrors behind a private CA."""
    if not names:
        return ""
    return (
        "RUN --mount=type=secret,id=ca,mode=0444 \\\n"
        "    if [ -f /run/secrets/ca ]; then set -- -o Acquire::https::CAInfo=/run/secrets/ca; fi; \\\n"
        '    apt-get "$@" update -qq && \\\n'
        '    DEBIAN_FRONTEND=noninteractive apt-get "$@" install -y -qq --no-install-recommends '
        f"{' '.join(names)} && \\\n"
        "    rm -rf /var/lib/apt/lists/*\n"
    )


def toolchain(project: Project, lock: Lock) -> tuple[str, ...]:
    """Debian packages for the builder: compilers and git only where the project or a dependency needs them."""
    requires = [_normal(requirement) for requirement in (project.build.requires if project.build else ())]
    native = any(map(_NATIVE.match, requires)) or _has_extensions(project) or bool(lock.from_source)
    rust = any(map(_NEEDS_RUST.match, requires)) or (project.root / "Cargo.toml").is_file()
    git = lock.needs_git or any(map(_NEEDS_GIT.search, requires)) or (project.root / "versioneer.py").is_file()
    return (
        *(_COMPILERS if native or rust else ()),
        *(_RUST if rust else ()),
        *(("git", "ca-certificates") if git else ()),
    )


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", requirement.strip().lower())


def _has_extensions(project: Project) -> bool:
    """Whether setup.py or a table of pyproject.toml names extension modules."""
    tool = project.metadata.get("tool", {})
    declared = tool.get("setuptools", {}).get("ext-modules") or tool.get("poetry", {}).get("build")
    script = project.root / "setup.py"
    return bool(declared) or (script.is_file() and bool(_EXTENSIONS.search(script.read_text("utf-8", "replace"))))
