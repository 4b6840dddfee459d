"""A child that is forked while its parent holds a lock does not go on holding it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FORK = """
import os, signal, sys, time
from pathlib import Path
folder = sys.argv[1]

def child():
    found = os.fork()
    if found == 0:
        time.sleep(600)
        os._exit(0)
    return found
"""
ONCE = """
from noxlib.inside.once import Once
with Once(Path(folder))("server", child) as found:
    pass
os.kill(found, signal.SIGKILL)
"""
SLOTS = """
from noxlib.inside.slots import Slots
with Slots(folder, 1):
    found = child()
with Slots(folder, 1):
    os.kill(found, signal.SIGKILL)
"""
DATA = """
from noxlib.inside.data_cache import Cache
with Cache(folder).alone("key"):
    found = child()
with Cache(folder).alone("key"):
    os.kill(found, signal.SIGKILL)
"""


@pytest.mark.parametrize("program", [ONCE, SLOTS, DATA], ids=["once", "slots", "data"])
def test_a_forked_child_holds_no_lock_of_its_parent(program: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", textwrap.dedent(FORK + program), str(tmp_path)]
    subprocess.run(argv, check=True, timeout=500)
