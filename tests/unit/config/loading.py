"""A configuration loaded from a folder and variables, or the error that it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.config.load import load_config
from noxlib.config.models import Config
from noxlib.errors import ConfigError


def load(root: Path, **environ: str) -> Config:
    return load_config(root, environ)


def failure(root: Path, **environ: str) -> str:
    """What is said of it in the first of two lines."""
    with pytest.raises(ConfigError) as caught:
        load_config(root, environ)
    assert len(str(caught.value).splitlines()) == 2
    return caught.value.what
