"""Poetry's version constraints as PEP 440 specifiers. Every function raises ValueError for what is no constraint.

Source of the rules: https://python-poetry.org/docs/dependency-specification/ and ``Version.next_breaking`` of
poetry-core.
"""

from __future__ import annotations

import re

from packaging.specifiers import SpecifierSet
from packaging.version import Version

_ONE = re.compile(r"\s*(\^|~=|~|===|==|=|!=|<=|>=|<|>)?\s*((?:\d+!)?[^\s,|^~=!<>]+)\s*")
MINOR, PATCH = 1, 2  # their places in a release


def alternatives(constraint: str) -> tuple[str, ...]:
    """The parts between ``||`` (or ``|``): any of them may hold."""
    return tuple(part.strip() for part in re.split(r"\|\|?", constraint))


def specifier(constraint: str) -> str:
    """One alternative as a specifier set; the empty one admits all.

    >>> specifier("^1.2.3"), specifier("~0.4"), specifier("1.*"), specifier("2.1"), specifier(">=1 <3")
    ('>=1.2.3,<2.0.0', '>=0.4,<0.5', '==1.*', '==2.1', '>=1,<3')
    """
    constraint = constraint.strip()
    parts: list[str] = []
    position = 0
    while position < len(constraint):
        found = _ONE.match(constraint, position)
        if not found:
            raise ValueError(constraint)
        parts += _one(found[1] or "", found[2])
        position = found.end()
        if constraint.startswith(",", position):
            position += 1
    SpecifierSet(",".join(parts))  # InvalidSpecifier is a ValueError
    return ",".join(parts)


def _one(operator: str, text: str) -> list[str]:
    if text in ("*", "x") and operator in ("", "=", "=="):
        return []
    if text.endswith(".*"):
        return _wildcard(operator, text)
    version = Version(text)
    if operator in ("^", "~"):
        high = _next_breaking(version) if operator == "^" else _next_tilde(version)
        return [f">={version.public}", f"<{high}"]
    return [f"{operator if operator not in ('', '=') else '=='}{version}"]


def _wildcard(operator: str, text: str) -> list[str]:
    Version(text[:-2])
    if operator in ("^", "~"):
        return _one(operator, text[:-2])
    return [f"{operator if operator not in ('', '=') else '=='}{text}"]


def _next_breaking(version: Version) -> str:
    """The first release that may break: the left-most number that is not zero goes up."""
    release = version.release
    if release[0] > 0 or len(release) == MINOR:
        return _raised(version, 0)
    if release[MINOR] > 0 or len(release) == PATCH:
        return _raised(version, MINOR)
    return _raised(version, PATCH)


def _next_tilde(version: Version) -> str:
    return _raised(version, 0 if len(version.release) == MINOR else MINOR)


def _raised(version: Version, place: int) -> str:
    """The version with the number at ``place`` one higher and zeros behind it."""
    release = version.release
    raised = (*release[:place], release[place] + 1, *(0 for _ in release[place + 1 :]))
    epoch = f"{version.epoch}!" if version.epoch else ""
    return epoch + ".".join(map(str, raised))


def union(constraint: str) -> str:
    """A constraint with alternatives as one specifier set, where they follow each other without a gap.

    >>> union("^1.24 || ^2.0")
    '>=1.24,<3.0'
    """
    ranges = sorted(_range(part) for part in alternatives(constraint))
    low, high = ranges[0]
    for next_low, next_high in ranges[1:]:
        if next_low > high:
            raise ValueError(constraint)
        high = max(high, next_high)
    return f">={low},<{high}"


def _range(text: str) -> tuple[Version, Version]:
    """The two ends of ``>=low,<high``; ValueError for every other form."""
    found = re.fullmatch(r">=([^,]+),<([^,=]+)", specifier(text))
    if not found:
        raise ValueError(text)
    return Version(found[1]), Version(found[2])


def one_specifier(constraint: str) -> str:
    """``specifier``, or ``union`` where the constraint has alternatives."""
    return union(constraint) if "|" in constraint else specifier(constraint)


def python_marker(constraint: str) -> str:
    """A constraint on Python as an environment marker; alternatives are joined by ``or``.

    >>> python_marker("^3.9"), python_marker("<3.8 || >=3.10.2")
    ('python_version >= "3.9" and python_version < "4.0"', 'python_version < "3.8" or python_full_version >= "3.10.2"')
    """
    return " or ".join(filter(None, (_python_marker(part) for part in alternatives(constraint))))


def _python_marker(constraint: str) -> str:
    text = specifier(constraint)
    return " and ".join(_python_comparison(part) for part in text.split(",") if part)


def _python_comparison(part: str) -> str:
    found = re.fullmatch(r"(\D+?)(\d.*)", part)
    if not found:
        raise ValueError(part)
    operator, version = found[1], found[2]
    precise = version.count(".") > 1 and not version.endswith(".*")
    if version.endswith(".*") and version.count(".") == PATCH and operator in ("==", "!="):
        version = version[:-2]  # ==3.9.*: every 3.9
    return f'{"python_full_version" if precise else "python_version"} {operator} "{version}"'
