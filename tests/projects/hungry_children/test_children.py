"""Children that take memory: each test's own, waited for or not, and what they begin with."""

import os
import signal
import subprocess
import sys

STAYS = "print(flush=True); input()"
RUNNING = []


def hungry(mb, then=""):
    return [sys.executable, "-c", f"import subprocess, sys; held = b'x' * ({mb} << 20); {then}"]


def test_takes_it_itself():
    held = b"x" * (80 << 20)
    subprocess.run(["true"], check=True)  # it begins with what this process has
    del held


def test_waits_for_a_child():
    subprocess.run(hungry(160), check=True)


def test_waits_for_a_smaller_one():
    subprocess.run(hungry(10), check=True)


def test_leaves_one_running():
    process = subprocess.Popen(hungry(220, STAYS), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    RUNNING.append(process)


def test_while_it_runs():
    assert RUNNING[0].poll() is None


def test_ends_it():
    RUNNING[0].communicate(b"\n")


def test_waits_for_a_grandchild():
    subprocess.run(hungry(1, f"subprocess.run({hungry(290)!r}, check=True)"), check=True)


def test_crashes():
    os.kill(os.getpid(), signal.SIGKILL)


def test_in_the_next_process():
    subprocess.run(hungry(160), check=True)
