"""Started beside the tests, in every place: ``python <folder>/noxlib_inside/run.py <task.json>``.

A script's folder comes first on ``sys.path``, where its modules would shadow the project's. So the script takes that
entry away, adds the folder above at the end (where pytest-xdist's workers, which copy the path, find the plugin too)
and goes on in ``session.py``. Importing this file does nothing: multiprocessing imports it again in spawned children.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]
    sys.path.append(os.path.dirname(here))
    session = importlib.import_module(os.path.basename(here) + ".session")
    sys.exit(session.main(sys.argv))
