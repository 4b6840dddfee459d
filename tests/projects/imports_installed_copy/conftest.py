import os
import sys

if "SHADOW" in os.environ:
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "installed", "site-packages"))
