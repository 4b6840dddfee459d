"""What noxlib's fixtures need in a project's testground: ``[tool.noxlib] fixtures``."""

from __future__ import annotations

from collections.abc import Iterable

#: Name of a group of fixtures -> its requirements: those of noxlib's own extra of the same name.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "postgres": ("psycopg[binary]>=3.2",),
    "redis": ("redis>=5.0",),
    "storage": ("fsspec>=2025.10", "paramiko>=3.5", "s3fs>=2025.10"),
    "data": ("pooch>=1.8",),
}


def requirements(names: Iterable[str]) -> tuple[str, ...]:
    """The requirements of the named fixtures.

    >>> requirements(("redis", "data"))
    ('redis>=5.0', 'pooch>=1.8')
    """
    return tuple(requirement for name in names for requirement in REQUIREMENTS[name])
