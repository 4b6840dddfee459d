"""Tests that fork: what they fork ends by itself, or comes back from the test, or is another test's process."""

import multiprocessing
import os
import sys
import time


def test_child_that_ends():
    child = os.fork()
    if child == 0:
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_child_that_comes_back():
    child = os.fork()
    if child == 0:
        return
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70


def test_child_that_exits():
    child = os.fork()
    if child == 0:
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 70


def test_process_of_multiprocessing():
    process = multiprocessing.get_context("fork").Process(target=print, args=("from a child",))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_clock_that_goes_back(monkeypatch):
    began = time.time()
    monkeypatch.setattr(time, "time", lambda: began - 86400)
    assert time.time() < began


def test_after():
    pass
