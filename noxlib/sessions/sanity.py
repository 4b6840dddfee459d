"""``sanity``: the sanity tests on a machine that root may log in to: ``nox -s sanity -- root@host``."""

from __future__ import annotations

import msgspec

from noxlib.config.load import load_config
from noxlib.config.models import Config
from noxlib.config.pythons import detect_pythons
from noxlib.engines.ssh_target import parse
from noxlib.errors import UsageError
from noxlib.plan import ASKED
from noxlib.sessions import placing, running, suites
from noxlib.sessions.arguments import DRY_RUN, KEEP, NO_BUILD, PYTHON, Arguments, Option, python_of, split
from noxlib.sessions.context import Context
from noxlib.sessions.placing import Placement
from noxlib.sessions.suites import Suite

HOST = Option(
    "--host", "the machine, [user@]host[:port] or a Host of ~/.ssh/config; the first word does as well", "HOST"
)

OPTIONS = (HOST, PYTHON, suites.ENV_CONFIG, DRY_RUN, KEEP, NO_BUILD, running.COVERAGE)


def run(context: Context) -> None:
    """Carry the step out; words after the host and the step's options go to pytest.

    Raises:
        UsageError: no host is named, what is named is none, or the project is not configured for that Python.
    """
    context = with_host(context)
    arguments = context.parse(*OPTIONS)
    config = load_config(context.root)
    host = arguments["host"] or config.sanity.host
    if not host:
        raise UsageError(f"{context.session}: no host is named", f"nox -s {context.session} -- root@host")
    target = str(parse(host))
    python = arguments["python"] or config.sanity.python
    python = python_of(context.session, detect_pythons(context.root, config), python)
    context = msgspec.structs.replace(context, python=python)

    def place_of(_config: Config, arguments: Arguments) -> Placement:
        reason = f"{ASKED} --host" if arguments["host"] else f"configured: sanity.host = {host!r}"
        return Placement("ssh", reason, engine=placing.engine(), target=target)

    running.run_suite(context, suite, options=(HOST, PYTHON, suites.ENV_CONFIG), place_of=place_of)


def suite(config: Config, arguments: Arguments) -> Suite:
    """The tests marked ``sanity``, unless the project selects others."""
    own = config.sanity
    select = "sanity" if own.select is None else own.select
    return Suite("sanity", select, own, profile=suites.profile(config, arguments))


def with_host(context: Context) -> Context:
    """The same call with the first word, where it is no option, as the value of ``--host``."""
    own, rest = split(context.posargs, OPTIONS)
    named = any(word.partition("=")[0] == HOST.name for word in own)
    if named or not rest or rest[0].startswith("-") or len(own) + len(rest) != len(context.posargs):
        return context
    return msgspec.structs.replace(context, posargs=(*own, HOST.name, *rest))
