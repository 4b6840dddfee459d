"""Whom ssh is to reach, what it is configured with, and what its complaints mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import ssh_errors
from noxlib.engines.ssh import Connection
from noxlib.engines.ssh_target import Target, configuration, own_configuration, parse
from noxlib.errors import EngineError, NoxlibError, PlaceError, UsageError

KNOWN = Path("/state/known_hosts")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host", Target("host")),
        ("root@1.2.3.4", Target("1.2.3.4", "root")),
        ("root@host.example.org:2222", Target("host.example.org", "root", 2222)),
        ("ssh://ann@host:22/", Target("host", "ann", 22)),
        ("ann@[::1]", Target("::1", "ann")),
        ("[fe80::1%eth0]:2222", Target("fe80::1%eth0", None, 2222)),
        ("DOMAIN\\ann@host", Target("host", "DOMAIN\\ann")),
        ("ann@corp.org@host", Target("host", "ann@corp.org")),
    ],
)
def test_a_host_is_read_and_written_as_people_write_it(text: str, expected: Target) -> None:
    assert parse(text) == expected
    assert parse(str(expected)) == expected


def test_what_a_person_is_told_to_type_reaches_the_same_host() -> None:
    assert Target("host").command == "ssh host"
    assert Target("::1", "ann").command == "ssh ann@::1"
    assert Target("host", "root", 2222, "/a key").command == "ssh -p 2222 -i '/a key' root@host"
    error = ssh_errors.failed(Target("host", "root", 2222), "sh -c 'exit 1'", 1, "")
    assert error.todo == "run it by hand to see why: ssh -p 2222 root@host 'sh -c '\"'\"'exit 1'\"'\"''"
    assert (
        "ssh -p 2222 root@host df -h"
        in ssh_errors.failed(Target("host", "root", 2222), "tar", 1, "No space left on device").todo
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=x",
        "root@-x",
        "-l@host",
        "a b",
        "host;id",
        "$(id)",
        "a\nb",
        "host:",
        "host:0",
        "host:65536",
        "a/b",
    ],
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no host"):
        parse(text)


@given(st.text(max_size=20))
def test_whatever_is_taken_for_a_host_is_no_option_and_no_shell_code(text: str) -> None:
    try:
        target = parse(text)
    except UsageError:
        return
    assert not target.host.startswith("-")
    assert not (target.user or "").startswith("-")
    assert not set(target.host + (target.user or "")) & set(" \t\n'\"`$;&|<>(){}*?!#~=,/")


def test_a_path_that_ssh_cannot_be_told_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="ssh cannot be told"):
        configuration(Target("x"), control=tmp_path / 'a"b', known_hosts=KNOWN, own=None, seconds=1)


def test_the_own_configuration_must_be_there(tmp_path: Path) -> None:
    assert own_configuration({}) is None
    (tmp_path / "config").write_text("")
    assert own_configuration({"NOXLIB_SSH_CONFIG": str(tmp_path / "config")}) == tmp_path / "config"
    with pytest.raises(PlaceError, match="which is no file"):
        own_configuration({"NOXLIB_SSH_CONFIG": str(tmp_path)})


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ("ssh: Could not resolve hostname x: Name or service not known", PlaceError, "there is no host x"),
        ("root@x: Permission denied (publickey).", PlaceError, "accepts none of your keys"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", PlaceError, "host key"),
        (
            "No ED25519 host key is known for x and you have requested strict checking.\nHost key verification failed.",
            PlaceError,
            "is not known, and your ssh configuration accepts none",
        ),
        ("ssh: connect to host x port 22: Connection refused", EngineError, "no SSH server listens"),
        ("ssh: connect to host x port 22: Connection timed out", EngineError, "does not answer"),
        ("ssh: connect to host x port 22: No route to host", EngineError, "does not answer"),
        ("kex_exchange_identification: read: Connection reset by peer", EngineError, "Connection reset by peer"),
        ("", EngineError, "it said nothing"),
    ],
)
def test_what_ssh_says_becomes_two_lines(said: str, kind: type[NoxlibError], what: str) -> None:
    error = ssh_errors.explained(Target("x", "root"), said, KNOWN)
    assert type(error) is kind
    assert what in error.what
    assert error.todo


def test_a_changed_key_is_forgotten_by_the_name_that_ssh_gave_it() -> None:
    error = ssh_errors.explained(Target("x", "root", 2222), "Host key verification failed.", KNOWN)
    assert "ssh-keygen -R '[x]:2222' -f '/state/known_hosts'" in error.todo


def test_without_a_connection_nothing_is_run() -> None:
    connection = Connection(Target("x"))
    assert not connection.alive
    with pytest.raises(PlaceError, match="was lost") as caught:
        connection.run(("true",))
    assert caught.value.cause == "lost"
    connection.close()
