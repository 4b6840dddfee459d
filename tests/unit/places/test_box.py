"""The body of a container's create call, as data."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from noxlib.owner import identity
from noxlib.places import box
from noxlib.places.host import Command
from noxlib.plan import Limits

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def body(command: Command) -> dict[str, Any]:
    return box.body(
        command, image="sha256:1", environment={"A": "1", "B": "2"}, user="7:8", labels={"l": "v"}, mounts=[]
    )


def test_stdout_and_stderr_are_joined_inside_so_that_they_keep_their_order() -> None:
    made = body(Command(("pytest", "-k", "a b; $(c)")))
    assert made["Entrypoint"] == ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"]
    assert made["Cmd"] == ["pytest", "-k", "a b; $(c)"]


def test_a_terminal_is_given_as_it_is() -> None:
    made = body(Command(("bash", "-l"), terminal=True))
    assert (made["Entrypoint"], made["Cmd"], made["Tty"], made["OpenStdin"]) == (["bash"], ["-l"], True, True)


def test_the_commands_own_environment_comes_last() -> None:
    assert body(Command(("x",), {"B": "3"}))["Env"] == ["A=1", "B=3"]


def test_no_limit_is_set_that_was_not_asked_for() -> None:
    assert set(body(Command(("x",)))["HostConfig"]) == {"Init", "Mounts", "Tmpfs", "LogConfig"}


def test_limits_are_the_engines() -> None:
    limits = Limits(memory=2**20, cpus=1.5, network=False, shm_size=99, devices=("/dev/fuse", "/dev/a:/dev/b:r"))
    host = body(Command(("x",), limits=limits))["HostConfig"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["ShmSize"]) == (2**20, 2**20, 1_500_000_000, 99)
    assert host["NetworkMode"] == "none"
    assert host["Devices"] == [
        {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r"},
    ]


def test_what_an_image_would_do_by_itself_is_left_out() -> None:
    made = body(Command(("x",)))
    assert made["Healthcheck"] == {"Test": ["NONE"]}
    assert made["WorkingDir"] == "/workspace"
    assert made["HostConfig"]["Init"] is True


def test_the_environment_is_that_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "user_name", lambda _: "ann")
    made = box.environment({"PATH": "/opt/testground/bin:/usr/bin", "SECRET": "x"}, 1000)
    assert made["PATH"] == "/opt/noxlib/site/bin:/opt/testground/bin:/usr/bin"
    assert (made["HOME"], made["USER"], made["LOGNAME"], made["LANG"]) == ("/home/noxlib", "ann", "ann", "C.UTF-8")
    assert made["PYTHONDONTWRITEBYTECODE"] == "1"
    assert (made["GIT_CONFIG_KEY_0"], made["GIT_CONFIG_VALUE_0"]) == ("safe.directory", "*")
    assert "SECRET" not in made  # the image's own variables come with the image
    assert "TZ" not in made


def test_a_user_without_a_name_gets_one() -> None:
    assert box.user_name(2**31 - 7) == "noxlib"


def test_ca_bundles_are_handed_in_where_this_machine_sets_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pem", tmp_path / "b.pem"
    first.write_text("")
    second.write_text("")
    bundles = box.ca_bundles({"PIP_CERT": str(first), "SSL_CERT_FILE": str(first), "REQUESTS_CA_BUNDLE": str(second)})
    binds, variables = box.ca_binds(bundles)
    assert variables["PIP_CERT"] == variables["SSL_CERT_FILE"] != variables["REQUESTS_CA_BUNDLE"]
    assert {bind.target for bind in binds.values()} == set(variables.values())
    assert all(bind.read_only for bind in binds.values())


def test_a_ca_bundle_that_is_not_there_is_not_bound(tmp_path: Path) -> None:
    assert box.ca_bundles({"PIP_CERT": str(tmp_path / "absent"), "SSL_CERT_FILE": ""}) == {}


def test_labels_say_whose_it_is() -> None:
    made = box.labels("run-1", "project")
    assert made["io.noxlib.run"] == "run-1"
    assert made["io.noxlib.project"] == "project"
    assert (made["io.noxlib.pid"], made["io.noxlib.start"], made["io.noxlib.boot"]) == (
        str(os.getpid()),
        identity().start,
        identity().boot,
    )


@given(st.text())
def test_any_run_makes_a_name_that_engines_take(run: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", box.name_of(run, "abc"))


def test_a_container_that_joins_a_stack_gets_its_networks_and_volumes_beside_its_own() -> None:
    own = {"Image": "i", "HostConfig": {"Init": True, "NetworkMode": "none", "Mounts": [{"Target": "/workspace"}]}}
    joined = box.Attachment(
        networks={"p_inner": ("runner",), "p_outer": ()},
        mounts=({"Target": "/shared"},),
        host={"CapAdd": ["SYS_PTRACE"]},
    ).join(own)
    assert joined["NetworkingConfig"] == {
        "EndpointsConfig": {"p_inner": {"Aliases": ["runner"]}, "p_outer": {"Aliases": []}}
    }
    assert joined["HostConfig"] == {
        "Init": True,
        "NetworkMode": "p_inner",
        "Mounts": [{"Target": "/workspace"}, {"Target": "/shared"}],
        "CapAdd": ["SYS_PTRACE"],
    }
    assert box.ALONE.join(own) == own
