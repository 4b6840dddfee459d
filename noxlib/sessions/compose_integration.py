"""``compose_integration-X``: the integration tests with the services of the project's compose file."""

from __future__ import annotations

from noxlib.config.models import Config
from noxlib.errors import EngineError
from noxlib.sessions import placing, running, suites
from noxlib.sessions.arguments import Arguments, Option
from noxlib.sessions.context import Context
from noxlib.sessions.placing import Placement

PROFILE = Option(
    "--profile", "start the services of this profile too; default: integration, where there is one", "NAME"
)


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    running.run_suite(context, suites.compose_integration, options=(PROFILE, suites.ENV_CONFIG), place_of=_place)


def _place(config: Config, arguments: Arguments) -> Placement:
    """An engine with the services; there is no other place for them."""
    try:
        engine = placing.engine()
    except EngineError as error:
        raise EngineError(
            error.what, "start docker or podman, or set DOCKER_HOST: the services need an engine"
        ) from None
    reason = f"services of {config.compose_integration.file} by {engine.kind} {engine.version} at {engine.endpoint}"
    return Placement("compose", reason, engine=engine, target=arguments["profile"])
