# /// script
# requires-python = ">=3.9"
# dependencies = ["nox", "noxlib"]
# ///
"""noxlib is its own first user."""

import noxlib

noxlib.register()
