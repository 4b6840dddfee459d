"""Where services are reached: the variables that tell it, and the runner's own as they read from somewhere else."""

from __future__ import annotations

import shlex
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.places import addresses

REACHED: addresses.Addresses = {
    "db": {5432: ("127.0.0.1", 40001)},
    "redis-test": {6379: ("127.0.0.1", 40002)},
    "web": {80: ("127.0.0.1", 40003), 81: ("127.0.0.1", 40004)},
    "hidden": {},
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("postgresql://me:pw@db:5432/app", "postgresql://me:pw@127.0.0.1:40001/app"),
        ("postgresql+asyncpg://me:pw@db/app?x=1", "postgresql+asyncpg://me:pw@127.0.0.1:40001/app?x=1"),
        ("postgresql://db:db@db:5432/db", "postgresql://db:db@127.0.0.1:40001/db"),
        ("jdbc:postgresql://db:5432/app", "jdbc:postgresql://127.0.0.1:40001/app"),
        ("redis://redis-test/0", "redis://127.0.0.1:40002/0"),
        ("http://web/a,http://web:81/b", "http://127.0.0.1:40003/a,http://127.0.0.1:40004/b"),
        ("redis-test:6379, db:5432", "127.0.0.1:40002, 127.0.0.1:40001"),
        ("https://web/", "https://web/"),  # nothing of it is published at 443
        ("db:5433", "db:5433"),
        ("my-db:5432 db.example.org:5432 db-2:5432", "my-db:5432 db.example.org:5432 db-2:5432"),
        ("postgresql://db:5432@elsewhere/db", "postgresql://db:5432@elsewhere/db"),
        ("http://hidden:80", "http://hidden:80"),
        ("the db of redis-test", "the db of redis-test"),
    ],
)
def test_addresses_in_a_variable_are_replaced_where_they_stand_by_themselves(before: str, after: str) -> None:
    assert addresses.rewritten({"X": before}, REACHED) == {"X": after}


def test_a_host_without_a_port_beside_it_gets_one_since_this_machine_may_have_another_server_at_the_usual() -> None:
    moved = addresses.rewritten({"PGHOST": "db"}, REACHED)
    assert moved == {"PGHOST": "127.0.0.1", "PGPORT": str(REACHED["db"][5432][1])}


def test_a_host_and_the_port_beside_it_are_replaced_together() -> None:
    given_ = {"DB_HOST": "db", "DB_PORT": "5432", "CACHE_HOST": "redis-test", "POSTGRES_USER": "db", "DB_NAME": "db"}
    assert addresses.rewritten(given_, REACHED) == {
        **given_,
        "DB_HOST": "127.0.0.1",
        "DB_PORT": "40001",
        "CACHE_HOST": "127.0.0.1",
        "CACHE_PORT": str(REACHED["redis-test"][6379][1]),
    }


NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=8).filter(
    lambda name: name[0].isalpha() and name[-1] != "-"
)
PORTS = st.integers(1, 65535)


@given(st.dictionaries(st.text(min_size=1), st.text(alphabet=st.characters(exclude_characters=":/"))))
def test_a_value_without_an_address_stays_as_it_is(environment: dict[str, str]) -> None:
    kept = {name: value for name, value in environment.items() if value not in REACHED}
    assert addresses.rewritten(kept, REACHED) == kept


@given(NAMES, PORTS, PORTS, st.lists(st.sampled_from(["{}", "http://{}/x", "amqp://u:p@{}", "a={};"]), min_size=1))
def test_every_address_is_replaced_and_nothing_else(name: str, port: int, there: int, forms: list[str]) -> None:
    text = " ".join(forms)
    reached: addresses.Addresses = {name: {port: ("127.0.0.1", there)}}
    found = addresses.rewritten({"X": text.replace("{}", f"{name}:{port}")}, reached)["X"]
    if name not in ("a", "u", "p", "x", "http", "amqp"):
        assert found == text.replace("{}", f"127.0.0.1:{there}")
    assert addresses.rewritten({"X": found}, reached) == {"X": found}


def test_the_tests_are_told_each_services_host_and_ports() -> None:
    assert addresses.variables({"redis-test": REACHED["redis-test"], "web": REACHED["web"], "hidden": {}}) == {
        "NOXLIB_SERVICE_REDIS_TEST_HOST": "127.0.0.1",
        "NOXLIB_SERVICE_REDIS_TEST_PORT": "40002",
        "NOXLIB_SERVICE_REDIS_TEST_PORT_6379": "40002",
        "NOXLIB_SERVICE_WEB_HOST": "127.0.0.1",
        "NOXLIB_SERVICE_WEB_PORT": "40003",
        "NOXLIB_SERVICE_WEB_PORT_80": "40003",
        "NOXLIB_SERVICE_WEB_PORT_81": "40004",
    }


def test_beside_them_services_have_their_own_names_and_ports() -> None:
    services: dict[str, Any] = {"db": {"image": "postgres:15"}, "app": {"ports": [{"target": 80}]}, "job": {}}
    assert addresses.on_network(services) == {"db": {5432: ("db", 5432)}, "app": {80: ("app", 80)}, "job": {}}


def test_from_this_machine_they_are_where_the_engine_has_bound_them() -> None:
    ports = {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "4080"}, {"HostIp": "::", "HostPort": "4080"}],
        "81/tcp": [{"HostIp": "192.0.2.7", "HostPort": "4081"}],
        "82/tcp": None,
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "4053"}],
    }
    found = addresses.on_machine({"web": {"NetworkSettings": {"Ports": ports}}})
    assert found == {"web": {80: ("127.0.0.1", 4080), 81: ("192.0.2.7", 4081)}}


@given(st.dictionaries(NAMES.map(str.upper).map(lambda name: name.replace("-", "_")), st.text(string.printable)))
def test_a_shell_reads_from_the_file_what_was_written(environment: dict[str, str]) -> None:
    words = shlex.split(addresses.dotenv(environment))
    assert dict(word.split("=", 1) for word in words) == environment
