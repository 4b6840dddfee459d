"""``integration-X``: the integration tests of one level, under an environment profile."""

from __future__ import annotations

from functools import partial

from noxlib.sessions import running, suites
from noxlib.sessions.arguments import PLACE, PLATFORM, SHARDS
from noxlib.sessions.context import Context


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest, which knows the plugin's own."""
    suite_of = partial(suites.integration, context.root)
    running.run_suite(context, suite_of, options=(suites.LEVEL, suites.ENV_CONFIG, PLACE, PLATFORM, SHARDS))
