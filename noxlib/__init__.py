"""Every step of a test lifecycle as a nox session over one declared, content-addressed environment.

A project's noxfile is two lines::

    import noxlib
    noxlib.register()

Importing noxlib has no effect and imports no engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from noxlib.config.models import Config, SuiteConfig
    from noxlib.errors import NoxlibError
    from noxlib.registration import register

__all__ = ["Config", "NoxlibError", "SuiteConfig", "__version__", "register"]

_HOMES = {
    "Config": "noxlib.config.models",
    "NoxlibError": "noxlib.errors",
    "SuiteConfig": "noxlib.config.models",
    "register": "noxlib.registration",  # a module named register would hide the function once imported
}


def __getattr__(name: str) -> Any:
    """Import on first use: a noxfile that only lists sessions pays for no more than it touches."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - the point of this function

    return getattr(importlib.import_module(_HOMES[name]), name)
