"""What tests find under an environment: its markers, the host for SSH, places that all workers share."""

from __future__ import annotations

import json
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles

StartRun = Callable[..., Any]  # see conftest.py


def of(**values: Any) -> dict[str, Any]:
    """The environment ``local`` as a task has it."""
    found: dict[str, Any] = msgspec.to_builtins(profiles.defaults()["local"])
    return {**found, "reason": "by the test", "level": "", "test_timeout": 600.0, **values}


def test_every_marker_is_known_where_pytest_is_strict(run: StartRun, hours: dict[str, str]) -> None:
    done = run("known", "-k", "marker", paths=["test_known.py"], profile=of(), environment=hours)
    assert done.counts == {"passed": 1, "deselected": 7}, done.output


def test_the_host_for_ssh_is_the_one_that_the_options_name(run: StartRun) -> None:
    words = ["--ssh-host=node", "--ssh-port=2222", "--ssh-user=ada", "--ssh-key=key", "--ssh-password=env:SSH_SECRET"]
    secret = {"SSH_SECRET": "hunter22"}
    done = run("known", *words, "-k", "ssh", paths=["test_known.py"], profile=of(), environment=secret)
    assert done.counts == {"passed": 1, "deselected": 7}, done.output
    found = json.loads((done.workspace / "ssh.json").read_text())
    assert found == {"host": "node", "port": 2222, "user": "ada", "key": "key", "password": "hunter22"}


def test_a_password_that_is_not_there_is_told_without_a_traceback(run: StartRun) -> None:
    words = ["--ssh-host=node", "--ssh-password=env:ABSENT", "-k", "ssh"]
    done = run("known", *words, paths=["test_known.py"], profile=of())
    assert "--ssh-password env:ABSENT leads nowhere: the variable ABSENT is not set here" in done.output
    assert "Traceback" not in done.output
    assert "options.py" not in done.output


def test_without_a_host_a_test_that_needs_one_is_skipped_and_says_so(run: StartRun) -> None:
    done = run("known", "-rs", "-k", "ssh", paths=["test_known.py"], profile=of())
    assert done.counts == {"skipped": 1, "deselected": 7}, done.output
    assert "no --ssh-host was given" in done.output


@pytest.mark.parametrize("count", [1, 2])
def test_workers_share_the_places_for_operations(count: int, run: StartRun) -> None:
    words = ["-p", "xdist.plugin", "-n3", "-k", "place"]
    done = run("known", *words, paths=["test_known.py"], profile=of(concurrent=count))
    assert done.counts["passed"] == 6, done.output
    spans = [json.loads(path.read_text()) for path in done.workspace.glob("span-*.json")]
    at_once = [sum(begin <= moment < end for _, begin, end in spans) for _, moment, _ in spans]
    assert len({worker for worker, _, _ in spans}) > 1
    assert max(at_once) <= count
