"""Settings of Sphinx; ``nox -s docs`` builds and takes every warning for an error."""

from __future__ import annotations

from noxlib import __version__

project = "noxlib"
author = "The noxlib founders"
copyright = author  # noqa: A001 - Sphinx' own name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"noxlib {release}"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
