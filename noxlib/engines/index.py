"""Package indexes as this machine's pip and uv know them: one environment for uv, here and in a build."""

from __future__ import annotations

import configparser
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CREDENTIALS = re.compile(r"(?<=http://|ttps://)[^/@\s\"'<>]+@(?=[^/\s])")  # git@ of ssh is no secret
_FROM_PIP = (  # uv's variables, each with its pip twin; what is set for uv wins
    (("UV_DEFAULT_INDEX", "UV_INDEX_URL"), "index-url"),
    (("UV_INDEX", "UV_EXTRA_INDEX_URL"), "extra-index-url"),
    (("UV_INSECURE_HOST",), "trusted-host"),
)
_BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OF_INDEXES = re.compile(r"UV_(DEFAULT_INDEX|INDEX(_\w+)?|EXTRA_INDEX_URL|INSECURE_HOST|HTTP_BASIC_AUTH\w*)")


def index_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What uv has to be told in addition, of pip's variables and files: indexes, trusted hosts, the CA bundle."""
    found = {names[0]: value for names, value in _translated(environ) if not any(environ.get(name) for name in names)}
    bundle = ca_bundle(environ)
    if bundle and not environ.get("SSL_CERT_FILE"):
        found["SSL_CERT_FILE"] = bundle
    return found


def _translated(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str]]:
    settings = pip_settings(environ)
    for names, key in _FROM_PIP:
        value = environ.get("PIP_" + key.upper().replace("-", "_")) or settings.get(key)
        if value:
            yield names, " ".join(value.split())


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """``[global]`` and ``[install]`` of pip's configuration files, the later file wins (pip's own order)."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return {}
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        config / "pip" / "pip.conf",
        *([Path(chosen)] if chosen else []),
    ]
    parser = configparser.RawConfigParser()
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}  # pip itself refuses such a file, in its own words, wherever it is used
    sections = [dict(parser.items(name)) for name in ("global", "install") if parser.has_section(name)]
    return {key: value for section in sections for key, value in section.items()}


def ca_bundle(environ: Mapping[str, str]) -> Optional[str]:
    """The CA bundle that this machine trusts, if somebody chose one: a file that exists."""
    chosen = (*(environ.get(name) for name in _BUNDLES), pip_settings(environ).get("cert"))
    return next((path for path in chosen if path and Path(path).is_file()), None)


def index_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that a build needs to reach the same indexes. They may hold credentials: hand them over as a secret."""
    merged = {**environ, **index_environment(environ)}
    return {name: value for name, value in sorted(merged.items()) if _OF_INDEXES.fullmatch(name) and value}


def for_pip(variables: Mapping[str, str]) -> dict[str, str]:
    """The indexes of uv's variables for pip."""
    names = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    }
    # uv may name an index, `name=url`; pip knows no names
    return {name: re.sub(r"(^|\s)\w+=", r"\1", variables[own]) for name, own in names.items() if own in variables}


def mask(text: str) -> str:
    """Text without ``user:password@`` in its URLs."""
    return _CREDENTIALS.sub("", text)
