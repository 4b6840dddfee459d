"""A step's own words and those for pytest: ``nox -s STEP -- [options] [WORD …] [-- words for pytest]``."""

from __future__ import annotations

from noxlib.errors import UsageError


def split(session: str, rest: tuple[str, ...], most: int, usage: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What follows the options: at most ``most`` words of the step's own, and what is pytest's.

    Raises:
        UsageError: there are more words, or an option comes after one.

    >>> split("perf_compare", ("main", "--", "-k", "name"), 2, "[BASE [HEAD]]")
    (('main',), ('-k', 'name'))
    """
    found = next((at for at, word in enumerate(rest) if word.startswith("-")), len(rest))
    words, others = rest[:found], rest[found:]
    problem = ""
    if len(words) > most:
        problem = f"{words[most]!r} is one word too many"
    elif words and others and others[0] != "--":
        problem = f"{others[0]} comes after {words[-1]!r}, where only words for pytest come"
    if problem:
        raise UsageError(f"{session}: {problem}", f"nox -s {session} -- [options] {usage} [-- words for pytest]")
    return words, others[1:] if others[:1] == ("--",) else others
