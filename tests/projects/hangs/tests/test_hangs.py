import itertools
import os
import pathlib
import time

import pytest


def test_passes():
    assert True


def test_hangs():
    if "LATER" in os.environ:  # from here on its clock is an hour ahead
        pathlib.Path(os.environ["LATER"]).touch()
    time.sleep(3600)


@pytest.mark.deep
def test_hangs_in_c_where_no_signal_is_looked_at():
    sum(itertools.repeat(0))
