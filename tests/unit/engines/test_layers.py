"""What buildx is told of a layer cache, and by whose name it asks the registry."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any, cast

import pytest

from noxlib.engines import layers
from noxlib.engines.docker import Docker
from noxlib.engines.layers import Layers

HOST = "registry.example.org"
WRITTEN = Layers(f"{HOST}/a:buildcache-py3.10", write=True)
LOCAL = Layers("127.0.0.1:5000/a:buildcache-py3.10", write=True)


class Engine:
    """An engine with such an image store."""

    def __init__(self, status: list[Any] | None) -> None:
        self.status = status

    def info(self) -> dict[str, Any]:
        return {"DriverStatus": self.status}


def told(wanted: Layers | None, status: list[Any] | None) -> dict[str, Any]:
    return layers.options(wanted, cast("Docker", Engine(status)))


CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
GRAPH: list[Any] = [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]]


def test_it_is_read_and_written_with_all_its_layers_and_a_failed_write_is_no_failure() -> None:
    assert told(LOCAL, CONTAINERD) == {
        "cache_from": "type=registry,ref=127.0.0.1:5000/a:buildcache-py3.10",
        "cache_to": "type=registry,ref=127.0.0.1:5000/a:buildcache-py3.10,mode=max,image-manifest=true"
        ",oci-mediatypes=true,ignore-error=true",
    }


@pytest.mark.parametrize("status", [None, [], GRAPH])
def test_an_engine_that_cannot_write_one_reads_it_and_says_so(
    status: list[Any] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(told(LOCAL, status)) == {"cache_from"}
    assert "no layer cache is written" in capsys.readouterr().out


def test_a_builder_of_its_own_can_write_one_whatever_the_engine_can(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(layers.options(LOCAL, cast("Docker", Engine(GRAPH)), "far")) == {"cache_from", "cache_to"}
    assert capsys.readouterr().out == ""


def test_what_only_reads_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(told(Layers("a:b"), GRAPH)) == {"cache_from"}
    assert told(None, CONTAINERD) == {}
    assert capsys.readouterr().out == ""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NOXLIB_REGISTRY_USER", "NOXLIB_REGISTRY_PASSWORD", "NOXLIB_REGISTRY_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def test_our_credentials_are_a_file_that_is_gone_afterwards(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "u")
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "p")
    theirs = {"auths": {"other": {"auth": "x"}}, "credsStore": "pass", "currentContext": "far", "proxies": {}}
    (home / "config.json").write_text(json.dumps(theirs))
    with layers.configured(WRITTEN) as folder:
        assert folder is not None
        file = folder / "config.json"
        found = json.loads(file.read_bytes())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not folder.exists()
    assert found["auths"] == {"other": {"auth": "x"}, HOST: {"auth": base64.b64encode(b"u:p").decode()}}
    assert found["credHelpers"] == {HOST: ""}  # so that the store, which knows nothing of it, is not asked
    assert found["credsStore"] == "pass"
    assert found["cliPluginsExtraDirs"] == [str(home / "cli-plugins")]
    assert "currentContext" not in found


@pytest.mark.parametrize("builder", ["far", None])
def test_with_our_credentials_buildx_knows_its_builders_all_the_same(
    home: Path, monkeypatch: pytest.MonkeyPatch, builder: str | None
) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "u")
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "p")
    monkeypatch.delenv("BUILDX_BUILDER", raising=False)
    if builder:
        monkeypatch.setenv("BUILDX_BUILDER", builder)
    (home / "buildx" / "instances").mkdir(parents=True)
    with layers.configured(WRITTEN) as folder:
        assert folder is not None
        assert (folder / "buildx" / "instances").exists() is bool(builder)
    assert (home / "buildx" / "instances").exists()  # what goes is the link to it


def test_a_registry_elsewhere_is_written_only_by_who_is_logged_in(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(told(WRITTEN, CONTAINERD)) == {"cache_from"}
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "u")
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "p")
    assert set(told(WRITTEN, CONTAINERD)) == {"cache_from", "cache_to"}
    assert capsys.readouterr().out == ""


def test_a_helper_of_dockers_that_fails_fails_no_build(home: Path) -> None:
    (home / "config.json").write_text('{"credsStore": "there-is-none-of-that-name"}')
    with layers.configured(WRITTEN) as folder:
        assert folder is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"auths": null}'])
def test_a_configuration_that_cannot_be_read_is_an_empty_one(
    home: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "u")
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "p")
    (home / "config.json").write_bytes(content)
    with layers.configured(WRITTEN) as folder:
        assert folder is not None
        assert list(json.loads((folder / "config.json").read_bytes())["auths"]) == [HOST]


def test_without_credentials_docker_has_its_own_way(home: Path) -> None:
    for wanted in (WRITTEN, None):
        with layers.configured(wanted) as folder:
            assert folder is None
