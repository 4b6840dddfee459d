"""What ``docker login`` has left in a credential helper is taken from there, by its standard input and output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from noxlib.engines import registryauth
from noxlib.errors import EngineError

HELPER = """#!/bin/sh
host=$(cat)
printf '%s\\n' "$*" >>"$0.arguments"
[ "$host" = registry.example.org ] || { echo "credentials not found in native keychain"; exit 1; }
echo '{"ServerURL": "registry.example.org", "Username": "ada", "Secret": "correct-horse"}'
"""


@pytest.mark.parametrize(
    "config",
    [{"credsStore": "safe"}, {"credHelpers": {"registry.example.org": "safe"}}],
    ids=["for all", "for one"],
)
def test_a_credential_helper_is_asked_for_the_host(
    config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-safe"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example.org": {}}, **config}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = registryauth.find("registry.example.org", {})
    assert found is not None
    assert (found.user, found.password) == ("ada", "correct-horse")
    assert registryauth.find("other.example.org", {}) is None
    assert set(Path(f"{helper}.arguments").read_text().splitlines()) == {"get"}


@pytest.mark.parametrize("config", ["[]", '{"auths": 5}', '{"credHelpers": {"registry.example.org": 5}}'])
def test_a_store_that_is_none_is_two_lines(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(EngineError, match="cannot be read"):
        registryauth.find("registry.example.org", {})
