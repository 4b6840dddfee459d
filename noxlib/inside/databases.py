"""What the fixtures of databases have in common: where the server is, what a test gets, how a failure is told."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from . import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Database:
    """A database that belongs to one test.

    Attributes:
        name: Its name; of Redis its number.
        url: Its URL, of the same form as the one that it was found by.
        parameters: What the driver's own ``connect`` takes: ``psycopg.connect(**parameters)``.
    """

    def __init__(self, name: str, url: str, parameters: Mapping[str, Any]) -> None:
        self.name = name
        self.url = url
        self.parameters = dict(parameters)

    def __repr__(self) -> str:
        return f"<Database {self.name}>"  # a URL may hold a password, and a failed test shows its arguments


class DatabaseError(Exception):
    """What happened, and what to do."""


def address(config: Any, option: str, variable: str) -> str:
    """The URL of the server: what the option refers to, or else the variable holds; empty where there is neither.

    Raises:
        DatabaseError: What the option refers to cannot be read.
    """
    asked = options.value(config, option)
    if not asked:
        return os.environ.get(variable, "")
    try:
        return options.secret(asked)
    except (LookupError, OSError) as error:
        raise DatabaseError(f"--{option}: {error}", f"set it, or leave --{option} out") from None


def worker() -> str:
    """The name of this process among the workers of pytest-xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Fail a test by the two lines, without a traceback of ours."""
    try:
        yield
    except DatabaseError as error:
        raise pytest.fail.Exception("\n  ".join(error.args), pytrace=False) from None


def said(error: BaseException) -> str:
    """The first line of what a driver says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip()
