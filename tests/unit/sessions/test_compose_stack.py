"""What the configuration says of services is held against the compose file before anything starts."""

from __future__ import annotations

import pytest

from noxlib.config.models import ComposeConfig
from noxlib.errors import ConfigError
from noxlib.sessions import compose_stack

SERVICES = {"services": {"postgres-test": {}, "mock-admin": {"profiles": ["integration"]}}}


def test_a_service_that_is_to_be_emptied_and_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        compose_stack.check_reset(ComposeConfig(reset={"postgres": ()}), SERVICES)
    assert caught.value.what == (
        "tool.noxlib.compose_integration.reset: docker-compose.test.yml has no service 'postgres'; "
        "did you mean postgres-test?"
    )


def test_one_of_another_profile_is_there() -> None:
    compose_stack.check_reset(ComposeConfig(reset={"mock-admin": ("true",)}), SERVICES)
