# /// script
# requires-python = ">=3.9"
# dependencies = ["nox", "noxlib"]
# ///
"""The steps of this project's tests: `uvx nox -l` or `pipx run nox -l` lists them."""

import noxlib

noxlib.register()
