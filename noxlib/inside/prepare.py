"""Builds the project once, as its own back end does: ``python <folder>/noxlib_inside/prepare.py <request.json>``.

Started by the interpreter that has the back end, in a copy-on-write workspace at the path that the tests will see. Like
``run.py`` it keeps its own folder off ``sys.path``, and goes on in ``editable.py``.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]
    sys.path.append(os.path.dirname(here))
    editable = importlib.import_module(os.path.basename(here) + ".editable")
    sys.exit(editable.main(sys.argv))
