"""``script``: the project's own executable, ``test.sh`` by default, as a suite like any other."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import msgspec

from noxlib.config.load import load_config
from noxlib.config.models import Config
from noxlib.config.pythons import detect_pythons, newest
from noxlib.errors import UsageError
from noxlib.sessions import running, suites
from noxlib.sessions.arguments import PLACE, Arguments
from noxlib.sessions.context import Context
from noxlib.sessions.suites import Suite


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to the script."""
    config = load_config(context.root)
    python = config.script.python or newest(detect_pythons(context.root, config))
    context = msgspec.structs.replace(context, python=python)
    running.run_suite(context, partial(suite, context.root), options=(suites.ENV_CONFIG, PLACE))


def suite(root: Path, config: Config, arguments: Arguments) -> Suite:
    """The script as a suite.

    Raises:
        UsageError: it is not there, or cannot be executed.
    """
    path = config.script.path
    key = "path in [tool.noxlib.script]"
    if not (root / path).is_file():
        raise UsageError(f"script: there is no {path}", f"write it, or name another one: {key}")
    if not os.access(root / path, os.X_OK):
        raise UsageError(f"script: {path} is not executable", f"chmod +x {path}, or name another one: {key}")
    own = msgspec.structs.replace(config.script, coverage=False)
    whole = suites.profile(config, arguments)
    return Suite("script", "", own, script=path, root=config.script.root, profile=whole)
