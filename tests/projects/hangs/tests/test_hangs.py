import ctypes
import signal
import time

import pytest


def test_passes():
    assert True


def test_hangs():
    time.sleep(3600)


@pytest.mark.deep
def test_hangs_in_c_with_the_lock_held():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(3600)
