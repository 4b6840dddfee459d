"""Which steps fill a stack, and what the key of their result is made of."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from noxlib.config.models import ComposeConfig, Config
from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import ConfigError
from noxlib.places import box, reach
from noxlib.places.reach import Reach
from noxlib.places.stack import Stack
from noxlib.sessions import compose_data

IMAGE = ImageInfo("sha256:1", (), (), {}, {}, 0, "linux/amd64")
OWN = ComposeConfig(migrate="alembic upgrade head", seed=("seed.sql", "python fill.py"))


@pytest.fixture(autouse=True)
def _engine_that_sees_our_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "of", lambda *_: Reach(bind=True, overlay=True, uid=1, gid=1))


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """A project with migrations by alembic, two files of seeds and a mounted script."""
    root = tmp_path / "project"
    (root / "alembic" / "versions").mkdir(parents=True)
    for name in ("alembic.ini", "alembic/versions/1.py", "seed.sql", "fill.py", "init.sql", "README"):
        (root / name).write_text(name)
    return SimpleNamespace(root=root, name="p", config=Config(compose_integration=OWN))


def stack(project: Any, environment: dict[str, str] | None = None, **changes: Any) -> Stack:
    init = {"type": "bind", "source": str(project.root / "init.sql"), "target": "/docker-entrypoint-initdb.d/init.sql"}
    service = {"image": "postgres:15", "volumes": [init], "ports": ["5432"], **changes}
    return Stack("f", "runner", {"db": service}, box.Attachment(environment=environment or {}))


def key(project: Any, image: ImageInfo | None = IMAGE, testground: str = "fp", **changes: Any) -> str | None:
    found = compose_data.of(project, SimpleNamespace(image=lambda _: image), stack(project, **changes))  # type: ignore[arg-type]
    assert found is not None
    return found.key(testground)


def configured(project: Any, **changes: Any) -> Any:
    own = msgspec.structs.replace(OWN, **changes)
    return SimpleNamespace(root=project.root, name="p", config=Config(compose_integration=own))


def test_what_decides_the_data_is_in_the_key(project: Any) -> None:
    keys = [
        key(project),
        key(project, msgspec.structs.replace(IMAGE, id="sha256:2")),
        key(project, environment={"SEEDS": "many"}),
        key(project, testground="other"),
        key(configured(project, env={"SEEDS": "many"})),
        key(project, command=["-c", "fsync=off"]),
        key(configured(project, migrate="alembic upgrade 1")),
        key(configured(project, seed=("seed.sql",))),
    ]
    for name in ("alembic/versions/1.py", "seed.sql", "fill.py", "init.sql"):
        (project.root / name).write_text("other")
        keys.append(key(project))
    assert None not in keys
    assert len(set(keys)) == len(keys)


def test_what_does_not_decide_them_is_not(project: Any) -> None:
    before = key(project)
    (project.root / "README").write_text("other")
    assert key(project, ports=["5433"]) == before


def test_nothing_is_kept_where_nobody_knows_what_decides_or_how_to_lay_it_down(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key(project, None) is None
    assert key(configured(project, migrations=())) is None
    assert key(configured(project, migrations=("other/**",))) is None
    assert key(configured(project, reset={"db": ("empty",)})) is None
    monkeypatch.setattr(reach, "of", lambda *_: Reach(bind=False, overlay=False, uid=1, gid=1))
    assert key(project) is None


def test_a_mounted_socket_has_no_content_and_what_cannot_be_read_keeps_nothing(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as mounted:
        monkeypatch.chdir(project.root)  # the whole path may be longer than a socket's may be
        mounted.bind("sock")
        volume = {"type": "bind", "source": str(project.root / "sock"), "target": "/run/sock"}
        assert key(project, volumes=[volume]) is not None

    def refused(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert key(project) is None


def test_nothing_configured_is_nothing_done(project: Any) -> None:
    docker: Any = SimpleNamespace()
    assert compose_data.of(configured(project, migrate=None, seed=()), docker, stack(project)) is None
    assert compose_data.preparations(None, project, docker, lambda _: {}) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"migrate": "alembic 'upgrade"}, 'migrate: "alembic \'upgrade" is no command: no closing quotation'),
        ({"migrate": " "}, "migrate: ' ' is no command: nothing in it"),
        ({"seed": ("",)}, "seed: '' is no command: nothing in it"),
        ({"seed": ("absent.sql",)}, "seed: there is no absent.sql"),
    ],
)
def test_a_step_that_cannot_be_is_refused_before_anything_starts(
    project: Any, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        compose_data.of(configured(project, **changes), SimpleNamespace(), stack(project))  # type: ignore[arg-type]
    assert caught.value.what == f"tool.noxlib.compose_integration.{said}"
