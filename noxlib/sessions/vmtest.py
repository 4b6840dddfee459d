"""``vmtest-X``: the tests that need a machine of their own, in a virtual one with the testground of one Python."""

from __future__ import annotations

import msgspec

from noxlib.config.models import Config
from noxlib.errors import UsageError
from noxlib.plan import ASKED
from noxlib.sessions import placing, running, suites
from noxlib.sessions.arguments import TERMINAL_OPTIONS, Arguments, Option
from noxlib.sessions.context import Context
from noxlib.sessions.placing import Placement
from noxlib.sessions.suites import Suite

TEST_TIMEOUT = 300.0  #: seconds for each phase of a test: without KVM a machine is some twelve times slower
RUNG = Option("--rung", "what drives the machine: QEMU and SSH, or the program vmtest", "RUNG", ("qemu", "vmtest"))


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    running.run_suite(context, suite, options=(RUNG, suites.ENV_CONFIG), place_of=place)


def suite(config: Config, arguments: Arguments) -> Suite:
    """The tests marked ``vmtest``. Their machine's memory and CPUs are no limits of the tests' own."""
    own = config.vmtest
    select = "vmtest" if own.select is None else own.select
    profile = suites.profile(config, arguments, test_timeout=TEST_TIMEOUT)
    return Suite("vmtest", select, msgspec.structs.replace(own, memory=None, cpus=None), profile=profile)


def place(config: Config, arguments: Arguments) -> Placement:
    """The machine's place, by rung.

    Raises:
        EngineError: No container engine answers, which would have the testground.
        UsageError: A terminal is asked for, and vmtest gives none.
    """
    asked = arguments["rung"]
    rung = asked or config.vmtest.rung
    reason = f"{ASKED} --rung" if asked else f"configured: rung = {rung!r}"
    wanted = [word for word in arguments.rest if word in TERMINAL_OPTIONS]
    if wanted and rung == "vmtest":
        raise UsageError(f"{wanted[0]} needs a terminal, and vmtest gives none", "take the other rung: --rung qemu")
    return Placement("vm" if rung == "qemu" else "vmtest", reason, engine=placing.engine(), terminal=rung == "qemu")
