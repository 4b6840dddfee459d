"""What a single value may be: sizes, Pythons, image names, marker expressions, dates. Pure; ValueError says why not."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from typing import Optional

OLDEST, NEWEST = 9, 20  #: minor versions of Python 3: what runs beside the tests needs 3.9, and one may hope
FREE_THREADED_SINCE = 13
YEAR = 366 * 24  #: hours
LEAST_MEMORY = 6 * 2**20  #: bytes

_UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_DAYS = {"h": 1 / 24, "d": 1, "w": 7}
_AGE = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(?:(h)ours?|(d)ays?|(w)eeks?|([hdw]))", re.IGNORECASE | re.ASCII)
_PYTHON = re.compile(r"(pypy)?3\.(0|[1-9]\d?)(t?)", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REGISTRY = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?/)?"
_IMAGE = re.compile(rf"{_REGISTRY}{_PART}(?:/{_PART})*")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def parse_size(text: str) -> int:
    """Bytes of ``"512m"``, ``"2g"``, ``"1.5 GiB"``; units are powers of 1024, as the engines take them.

    Raises:
        ValueError: it is no size, or less than one byte.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(float(found[1]) * _UNITS[found[2].lower()]) if found else 0
    if size < 1:
        raise ValueError('a size above zero such as "512m" or "2g"')
    return size


def check_memory(text: str) -> None:
    """Raise ValueError for less than docker gives to a container; no interpreter begins in less either."""
    if parse_size(text) < LEAST_MEMORY:
        raise ValueError('at least "6m"')


def parse_age(text: str) -> Optional[float]:
    """Days of ``"90 days"``, ``"12 hours"``, ``"2w"``; None for ``"forever"``.

    Raises:
        ValueError: it is no age.
    """
    if text.strip().lower() == "forever":
        return None
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError('an age such as "90 days" or "forever"')
    return float(found[1]) * _DAYS[str(found[found.lastindex or 0]).lower()]


def check_python(text: str) -> None:
    """A Python as uv names it: ``3.12``, ``3.14t``, ``pypy3.11``.

    Raises:
        ValueError: there is no such Python.
    """
    found = _PYTHON.fullmatch(text)
    known = found is not None and OLDEST <= int(found[2]) <= NEWEST
    if found and found[3] and (found[1] or int(found[2]) < FREE_THREADED_SINCE):
        known = False
    if not known:
        raise ValueError("a Python as uv names it, such as 3.12, 3.14t or pypy3.11")


def python_names() -> tuple[str, ...]:
    """Every name that ``check_python`` takes."""
    minors = range(OLDEST, NEWEST + 1)
    free = (f"3.{minor}t" for minor in minors if minor >= FREE_THREADED_SINCE)
    return (*(f"3.{minor}" for minor in minors), *free, *(f"pypy3.{minor}" for minor in minors))


def guess_python(text: str) -> str:
    """What somebody meant by ``3.10.4``, ``python3.10`` or ``py310``; empty where that is no guess.

    >>> guess_python("python3.10.4"), guess_python("py310"), guess_python("pypy-3.11")
    ('3.10', '3.10', 'pypy3.11')
    """
    if re.fullmatch(r"2(\.\d+)*|(python|py)?3\.?[2-8]", text.strip().lower()):
        return f"3.{OLDEST}"
    found = re.search(r"3[.\-_]?(\d{1,2})(?:\.\d+\w*)?(t?)$", text.strip().lower(), re.ASCII)
    if not found:
        return ""
    guess = f"{'pypy' if 'pypy' in text.lower() else ''}3.{int(found[1])}{found[2]}"
    return guess if guess in python_names() else ""


def python_tag(python: str) -> str:
    """The name of a Python in file names: ``3.10`` is py310, ``3.14t`` py314t, ``pypy3.11`` pypy311."""
    return python.replace(".", "") if python.startswith("pypy") else "py" + python.replace(".", "")


def check_image(text: str) -> None:
    """An image name of the OCI grammar, without tag or digest.

    Raises:
        ValueError: it is none.
    """
    if len(text) > 200 or not _IMAGE.fullmatch(text):  # noqa: PLR2004 - 255 less what a tag needs
        raise ValueError("an image name in lower case without a tag, such as ghcr.io/owner/name")


def check_name(text: str) -> None:
    """A name of an extra, a group or a distribution (PEP 508).

    Raises:
        ValueError: it is none.
    """
    if not _NAME.fullmatch(text):
        raise ValueError("a name of letters, digits, '-', '_' and '.'")


def normalise(name: str) -> str:
    """The name as PEP 503 and PEP 685 compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_day(text: str) -> None:
    """A day, ``2025-01-31``, or a time of RFC 3339 with its zone.

    Raises:
        ValueError: it is neither.
    """
    expected = 'a day such as "2025-01-31" or a time such as "2025-01-31T12:00:00Z"'
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            date.fromisoformat(text)
            return
        zone = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", text)).tzinfo
    except ValueError:
        raise ValueError(expected) from None
    if zone is None:
        raise ValueError(expected)


def check_positive(number: float) -> None:
    """A number above zero.

    Raises:
        ValueError: it is none.
    """
    if not (math.isfinite(number) and number > 0):
        raise ValueError("a number above zero")


def check_hours(number: float) -> None:
    """Hours after which something goes: a year at most.

    Raises:
        ValueError: it is no such number.
    """
    if not 0 <= number <= YEAR:
        raise ValueError(f"hours from 0 to {YEAR}")


def check_not_negative(number: int) -> None:
    """Zero or more.

    Raises:
        ValueError: it is less.
    """
    if number < 0:
        raise ValueError("zero or more")


def check_share(number: float) -> None:
    """A share of a whole.

    Raises:
        ValueError: it is less than nothing, more than all of it, or no number.
    """
    if not 0 <= number <= 1:
        raise ValueError("a number from 0 to 1")


def check_said(text: str) -> None:
    """Text that says something.

    Raises:
        ValueError: it is empty.
    """
    if not text.strip():
        raise ValueError("a word at least")


QUARANTINE_CHECKS = {"owner": check_said, "reason": check_said, "expires": check_day}
