"""Tests that leave something behind, each another thing, and tests that clean up."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
kept = []
orphans = []
os.environ["LOST"] = "hunter22"


@pytest.fixture(scope="module")
def server():
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_uses_what_is_there_for_the_module(server):
    assert server.poll() is None


def test_leaves_a_process():
    kept.append(subprocess.Popen(SLEEP))


def test_leaves_a_process_whose_parent_has_ended():
    argv = ["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]
    orphans.append(int(subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout))
    while not is_sleep(orphans[-1]):
        time.sleep(0.01)


def is_sleep(pid):
    """Whether what the shell has forked is the program by now, with its environment."""
    with open(f"/proc/{pid}/comm") as name, open(f"/proc/{pid}/environ") as environment:
        return name.read() == "sleep\n" and environment.read() != ""


def test_leaves_a_port():
    kept.append(socket.create_server(("127.0.0.1", 0)))


def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, name="forgotten", daemon=True).start()


def test_changes_a_variable():
    os.environ["FORGOTTEN"] = "hunter22"


def test_loses_a_variable():
    del os.environ["LOST"]


def test_leaves_a_file(elsewhere):
    with open(elsewhere, "w") as stream:
        stream.write("")


def test_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", "1")
    (tmp_path / "file").write_text("")
    subprocess.run([sys.executable, "-c", ""], check=True)
    with socket.create_server(("127.0.0.1", 0)):
        pass


@pytest.fixture
def elsewhere():
    return os.path.join(os.environ["ELSEWHERE"], "forgotten.txt")


@pytest.fixture(scope="session", autouse=True)
def _end():
    yield
    for process in (thing for thing in kept if isinstance(thing, subprocess.Popen)):
        process.kill()
        process.wait()
    for pid in orphans:
        os.kill(pid, 9)
