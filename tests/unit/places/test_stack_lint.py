"""Mistakes of a compose file: each rule by what compose prints of it, the line that it stands at, what mends it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines.imageinfo import ImageInfo
from noxlib.places import stack_lint, stack_override, stack_programs
from noxlib.places.stack_lines import Lines
from noxlib.places.stack_lint import Mistake, Reset, merged
from noxlib.places.stack_programs import ENTRYPOINT

HEALTHY: dict[str, Any] = {"image": "redis:7", "healthcheck": {"test": ["CMD", "redis-cli", "ping"]}}
SCRIPT = {"type": "bind", "source": "/", "target": "/docker-entrypoint-initdb.d/init.sql"}
TABLES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def found(services: dict[str, Any], **parts: Any) -> list[Mistake]:
    return list(stack_lint.mistakes({"services": services, **parts}, "own"))


def whats(services: dict[str, Any], **parts: Any) -> list[str]:
    return [mistake.what for mistake in found(services, **parts)]


def test_a_file_without_any_of_it_is_without_mistakes() -> None:
    port = {"target": 8000, "host_ip": "127.0.0.1"}
    services = {
        "cache": {**HEALTHY, "ports": [{"target": 6379}]},
        "mock": {"image": "m", "environment": {"MOCKSERVER_SERVER_PORT": "8000"}, "ports": [port]},
        "seed": {"image": "s"},
        "tests": {
            "image": "t",
            "environment": {"URL": "http://mock:8000", "AT": "12:30", "OTHER": "http://elsewhere:1", "NONE": None},
            "depends_on": {
                "cache": {"condition": "service_healthy"},
                "mock": {"condition": "service_started"},
                "seed": {"condition": "service_completed_successfully"},
                "gone": {"condition": "service_started"},
            },
        },
    }
    own = {"name": "own_default"}
    assert found(services, networks={"default": own, "more": None}, volumes={"data": {"name": "own_data"}}) == []


def test_fixed_names_and_ports_collide() -> None:
    services = {"db": {"container_name": "db", "ports": [{"target": 5432}, {"target": 5432, "published": "5433"}]}}
    first, second = found(services)
    assert first.path == ("services", "db", "container_name")
    assert first.change == {"services": {"db": {"container_name": Reset()}}}
    assert second.path == ("services", "db", "ports", 1)
    assert second.change == {"services": {"db": {"ports": Reset([{"target": 5432}, {"target": 5432}])}}}
    assert whats({"db": {"ports": [{"target": 5432, "published": "0"}]}}) == []


def test_what_is_made_outside_or_has_a_fixed_name_is_shared() -> None:
    volumes = {"a": {"name": "x", "external": True}, "b": {"name": "y", "driver_opts": {"type": "tmpfs"}}}
    outside, fixed = found({}, volumes=volumes)
    assert outside.what.startswith("the volume a is made outside")
    assert outside.change == {"volumes": {"a": Reset({})}}
    assert fixed.what.startswith("the volume b has the fixed name 'y'")
    assert fixed.change == {"volumes": {"b": Reset({"driver_opts": {"type": "tmpfs"}})}}


def test_a_bind_source_must_be_there(tmp_path: Path) -> None:
    def mounts(path: Path) -> dict[str, Any]:
        return {"db": {"volumes": [{"type": "bind", "source": str(path)}, {"type": "volume", "source": "data"}]}}

    assert whats(mounts(tmp_path)) == []
    (mistake,) = found(mounts(tmp_path / "no"))
    assert (mistake.path, mistake.change) == (("services", "db", "volumes", 0), None)


@pytest.mark.parametrize(
    ("service", "condition", "what"),
    [
        (HEALTHY, "service_started", "app starts without waiting until db is healthy"),
        ({"image": "x"}, "service_healthy", "app depends on db, which has no healthcheck"),
        ({"image": "x"}, "service_started", "app depends on db, which has no healthcheck"),
        (
            {**HEALTHY, "healthcheck": {"disable": True}},
            "service_healthy",
            "app depends on db, which has no healthcheck",
        ),
        ({"image": "x", "expose": ["80"]}, "service_started", None),
        (
            {"image": "postgres:17", "ports": [{"target": 5432}]},
            "service_started",
            "app depends on db, which has no healthcheck",
        ),
    ],
)
def test_what_is_depended_on_is_asked_and_waited_for(service: Any, condition: str, what: str | None) -> None:
    services = {"db": service, "app": {"depends_on": {"db": {"condition": condition}}}}
    assert whats(services) == ([what] if what else [])


def test_a_healthcheck_is_known_for_what_is_met_most() -> None:
    def change(image: str) -> Any:
        (mistake,) = found({"db": {"image": image}, "app": {"depends_on": {"db": {"condition": "service_healthy"}}}})
        return mistake.change

    asked = change("registry.example:5000/library/postgres:15")["services"]
    assert asked["db"]["healthcheck"]["test"][1].startswith("pg_isready")
    assert asked["app"]["depends_on"]["db"] == {"condition": "service_healthy"}
    assert change("postgres.example/own:1") is None


def test_a_mock_and_its_clients_speak_of_one_port() -> None:
    mock = {"environment": {"MOCKSERVER_SERVER_PORT": "8000"}, "ports": [{"target": 1080}]}
    client = {"environment": {"URL": "http://mock:1080/a", "SAME": "mock:8000"}}
    own, peers = found({"mock": mock, "client": client})
    assert own.what == "mock listens at 8000 by MOCKSERVER_SERVER_PORT, and publishes its port 1080"
    assert peers.path == ("services", "client", "environment", "URL")
    assert peers.change == {"services": {"client": {"environment": {"URL": "http://mock:8000/a"}}}}
    two = {"environment": {"MOCKSERVER_SERVER_PORT": "80, 81"}}
    (either,) = found({"two": two, "client": {"environment": {"URL": "two:82"}}})
    assert either.what.endswith("two listens at 80 or 81")
    assert either.change is None


def test_a_port_of_this_machine_is_not_the_one_that_peers_find() -> None:
    db = {"image": "postgres:15", "ports": [{"target": 5432}], "volumes": [SCRIPT]}
    (mistake,) = found({"db": db, "app": {"environment": {"URL": "postgresql://db:5433/x"}}})
    assert mistake.change == {"services": {"app": {"environment": {"URL": "postgresql://db:5432/x"}}}}


def test_the_answers_that_a_mock_mounts_do_not_hide_its_port() -> None:
    mock = {"image": "mockserver/mockserver:5.15.0", "volumes": [{"type": "bind", "source": "/", "target": "/config"}]}
    (mistake,) = found({"mock": mock, "app": {"environment": {"URL": "http://mock:8000/x"}}})
    assert mistake.change == {"services": {"app": {"environment": {"URL": "http://mock:1080/x"}}}}


@pytest.mark.parametrize(
    ("service", "named"),
    [
        ({"image": "rabbitmq:3-management", "ports": [{"target": 15672}]}, 5672),
        ({"image": "rabbitmq:3-management"}, 15672),
        ({"image": "localstack/localstack", "ports": [{"target": 4566}]}, 4510),
        ({"image": "redis:7", "command": ["redis-server", "--port", "6380"]}, 6380),
        ({"image": "redis:7", "volumes": [{"type": "bind", "target": "/etc/redis.conf"}]}, 6380),
        ({"image": "redis:7", "configs": [{"source": "redis", "target": "/etc/redis.conf"}]}, 6380),
        ({"image": "redis:7", "environment": {"PGPORT": "5432", "PORT": "8000"}}, 6379),
        ({"image": "own", "environment": {"PGPORT": "5433"}, "ports": [{"target": 8000}]}, 8000),
        ({"image": "own", "environment": {"PORT": "8000"}, "ports": [{"target": 8000}, {"target": 9000}]}, 9000),
        ({"image": "own", "ports": [{"target": 8000}]}, 9000),
    ],
)
def test_a_port_that_nothing_speaks_against_is_no_mistake(service: Any, named: int) -> None:
    assert whats({"one": service, "client": {"environment": {"URL": f"http://one:{named}/"}}}) == []


@pytest.mark.parametrize(
    ("line", "programs"),
    [
        ("curl -f http://localhost/ || exit 1", ("curl",)),
        ("if test -f /a; then wget -q -O- localhost | grep ok; fi", ("grep",)),
        ("A=1 redis-cli ping", ()),
        ("$TOOL x && (mysqladmin ping)", ("mysqladmin",)),
        ("it's", ()),
        ("", ()),
    ],
)
def test_the_programs_of_a_line_of_shell(line: str, programs: tuple[str, ...]) -> None:
    assert stack_programs.of_shell(line) == programs


@given(st.text(max_size=40))
def test_no_line_of_shell_is_a_mistake_of_ours(line: str) -> None:
    assert isinstance(stack_programs.of_shell(line), tuple)


def test_a_healthcheck_without_a_line_starts_nothing() -> None:
    image = ImageInfo("sha256:1", (), (), {}, {}, 0, "linux/amd64")
    assert list(stack_programs.named({"healthcheck": {"test": ["CMD-SHELL"]}}, image)) == []
    line = {"healthcheck": {"test": ["CMD-SHELL", "true"]}}
    assert list(stack_programs.named(line, image)) == [("/bin/sh", "healthcheck")]


@pytest.mark.parametrize(
    ("service", "entrypoint", "found"),
    [
        ({"image": "own", "command": ["pytset"]}, (), ["pytset"]),
        ({"image": "own", "command": ["pytset"]}, ("start",), []),
        ({"image": "redis:7", "command": ["redis-sever", "--save", ""]}, (ENTRYPOINT,), ["redis-sever"]),
        ({"image": "postgres:15", "command": ["postgers"]}, (f"/usr/local/bin/{ENTRYPOINT}",), ["postgers"]),
        ({"image": "postgres:15", "command": ["-c", "fsync=off"]}, (ENTRYPOINT,), []),
        ({"image": "redis:7", "command": ["/etc/redis.conf"]}, (ENTRYPOINT,), []),
        ({"image": "node:22", "command": ["server.js"]}, (ENTRYPOINT,), []),
        ({"image": "own", "command": ["/app/run"], "volumes": [{"type": "bind", "target": "/app"}]}, (), []),
        ({"image": "own", "entrypoint": ["/run"], "volumes": [{"type": "bind", "target": "/run"}]}, (), []),
        ({"image": "own", "entrypoint": ["./run"], "working_dir": "/app"}, (), []),
        ({"image": "own", "entrypoint": ["/run"], "volumes": [{"type": "bind", "target": "/app"}]}, (), ["/run"]),
    ],
)
def test_the_commands_first_word_is_looked_for_where_it_is_a_program_of_the_image(
    service: Any, entrypoint: tuple[str, ...], found: list[str]
) -> None:
    image = ImageInfo("sha256:1", (), (), {}, {}, 0, "linux/amd64", entrypoint)
    assert [program for program, _ in stack_programs.named(service, image)] == found


def test_lines_are_found_through_anchors_merges_lists_and_overrides(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yml", tmp_path / "a.override.yml"
    first.write_text(
        "x-base: &base\n  image: redis\n  more: &more\n    environment:\n      - A=1\n      - B\n"
        "services:\n  db:\n    <<: [*base]\n    ports:\n      - 1:2\n      - 3:4\n  app: {<<: *base}\n"
    )
    second.write_text("services:\n  app:\n    container_name: !reset null\n")
    lines = Lines((first, second))
    assert lines.at("services", "db", "ports", 1) == ("a.yml", 12)
    assert lines.at("services", "db", "ports", 9) == ("a.yml", 10)
    assert lines.at("services", "db", "image") == ("a.yml", 2)
    assert lines.at("x-base", "more", "environment", "B") == ("a.yml", 6)
    assert lines.at("services", "app", "container_name") == ("a.override.yml", 3)
    assert lines.at("services", "app") == ("a.override.yml", 2)
    assert lines.at("volumes", "x") == ("a.yml", 1)


@pytest.mark.parametrize("text", ["services:\n  db:\timage\n", "services: {}\n---\nservices: {}\n", "a: \x07\n"])
def test_what_compose_reads_and_our_reader_does_not_has_no_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yml").write_text(text)
    assert Lines((tmp_path / "a.yml",)).at("services", "db", "image") == ("a.yml", 1)


def test_an_override_speaks_the_words_of_composes_merging() -> None:
    mistakes = found({"db": {"container_name": "x", "ports": [{"target": 1, "published": "2"}]}})
    text = stack_override.text(mistakes)
    assert text.startswith(stack_override.FIRST_LINE)
    assert "container_name: !reset" in text
    assert "ports: !override" in text
    assert stack_override.text([Mistake((), "", "")]) == ""


def test_a_dollar_in_an_override_is_the_values_own() -> None:
    change = {"services": {"db": {"environment": {"A": "5$ each"}, "ports": Reset(["$"])}}}
    assert "A: 5$$ each" in (text := stack_override.text([Mistake((), "", "", change)]))
    assert yaml.safe_load(text.replace("!override", ""))["services"]["db"]["ports"] == ["$$"]


@given(st.dictionaries(st.sampled_from("abc"), TABLES), st.dictionaries(st.sampled_from("abc"), TABLES))
def test_merging_keeps_all_keys_and_the_later_value(one: dict[str, Any], other: dict[str, Any]) -> None:
    both = merged(one, other)
    assert set(both) == set(one) | set(other)
    assert all(both[key] == value for key, value in other.items() if not isinstance(value, dict))
    assert merged(both, other) == both
