"""``compose_integration-X``: the integration tests with the services of the project's compose file."""

from __future__ import annotations

from noxlib.config.models import Config
from noxlib.sessions import compose_hand, compose_stack, running, suites
from noxlib.sessions.arguments import PLACE, Arguments, Option
from noxlib.sessions.compose_stack import OfServices
from noxlib.sessions.context import Context

PROFILE = Option(
    "--profile", "start the services of this profile too; default: integration, where there is one", "NAME"
)
FAULT = Option(
    "--fault",
    "put a proxy before a service, with faults: redis-test:latency=200ms,jitter=20ms, db:wan, db:down; may be repeated",
    "SERVICE[:FAULTS]",
    many=True,
)
RECORD = Option(
    "--record",
    "let a mock peer pass all on to a real one, and keep what they said as expectations; may be repeated",
    "SERVICE=URL",
    many=True,
)
OPTIONS = (PLACE, PROFILE, FAULT, RECORD, suites.ENV_CONFIG, *compose_hand.OPTIONS)


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    arguments = context.parse(*OPTIONS, *running.COMMON)
    if not compose_hand.run(context, arguments, _place, _tests):
        _tests(context)


def _tests(context: Context) -> None:
    running.run_suite(context, suites.compose_integration, options=OPTIONS, place_of=_place)


def _place(config: Config, arguments: Arguments) -> OfServices:
    """An engine with the services, and the tests in a container beside them or in an environment of this machine."""
    engine = compose_stack.engine()
    own = config.compose_integration
    place = arguments["place"] or config.place
    return OfServices(
        "compose_venv" if place == "venv" else "compose",
        f"services of {own.file} by {engine.kind} {engine.version} at {engine.endpoint}",
        engine=engine,
        profile=arguments["profile"],
        keep=bool(arguments["keep"] or arguments["up"] or arguments["watch"]),
        faults=tuple(arguments["fault"]),
        record=tuple(arguments["record"]),
        fresh=not arguments["up"],
        detached=bool(arguments["keep"] or not arguments["watch"]),
    )
