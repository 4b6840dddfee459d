"""A test that hangs in C, where no signal handler of Python runs; collected where it is named only."""

import ctypes
import os
import pathlib


def test_before_it():
    pass


def test_hangs_in_c():
    pathlib.Path(os.environ["LATER"]).touch()  # from here on its clock is an hour ahead
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def test_after_it():
    pass
