"""A step's own options come first, unknown ones go to pytest, and after a second ``--`` everything is pytest's."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn, Optional

import msgspec

from noxlib.errors import NoxlibError, UsageError

TERMINAL_OPTIONS = ("--pdb", "--trace")


class Option(msgspec.Struct, frozen=True):
    """One option of a step. ``value`` is the name of its value for the help, None for a switch."""

    name: str
    help: str
    value: Optional[str] = None
    choices: tuple[str, ...] = ()
    many: bool = False  #: may be given again; its values are a list
    bare: str = ""  #: the value where none follows; a number, or this word, is one

    @property
    def key(self) -> str:
        return self.name.lstrip("-").replace("-", "_")


class HelpShown(NoxlibError):
    """``--help`` was asked for and printed: nothing else is done, and nothing failed."""

    outcome = "passed"


class Arguments(msgspec.Struct, frozen=True):
    """What followed ``--`` on nox's command line: the step's own options, and the rest in its order."""

    values: dict[str, Any]
    rest: tuple[str, ...]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]


DRY_RUN = Option("--dry-run", "say what would be done, and do nothing")
PLACE = Option(
    "--place", "where to run: a container of the testground, or a virtual environment", "PLACE", ("container", "venv")
)
TESTGROUND = Option(
    "--testground", "run in a published testground: of a release, a branch, a commit, pr-12, sha256:…", "REF"
)
AT = Option("--at", "run the code of a commit in that commit's testground, as it is published or else built", "COMMIT")
PYTHON = Option("--python", "the Python whose testground is taken; default: the newest", "X.Y")
PLATFORM = Option(
    "--platform", "linux/amd64 or linux/arm64; one that is not the engine's own runs under emulation", "PLATFORM"
)
PLATFORMS = Option("--platform", "linux/amd64 or linux/arm64; may be given again", "PLATFORM", many=True)
SHARDS = Option(
    "--shards",
    "cut the suite into so many parts, each in a place of its own; auto: the profile's concurrency",
    "N|auto",
    bare="auto",
)
KEEP = Option("--keep", "keep the run's workspace, or its services where there are some, and say where they are")
NO_BUILD = Option("--no-build", "fail instead of building where the testground is not there yet")


def split(posargs: tuple[str, ...], options: tuple[Option, ...]) -> tuple[list[str], tuple[str, ...]]:
    """The leading words that are the step's own, and the rest with one separating ``--`` taken out.

    >>> split(("--place", "venv", "-k", "name", "--keep"), (PLACE, KEEP))
    (['--place', 'venv'], ('-k', 'name', '--keep'))
    """
    known = {option.name: option for option in options}
    own: list[str] = []
    words = list(posargs)
    while words:
        name = words[0].partition("=")[0]
        option = known.get(name)
        if option is None and words[0] not in ("--help", "-h"):
            break
        own.append(words.pop(0))
        if option is not None and option.value and "=" not in own[-1] and words and _is_value(words[0], option):
            own.append(words.pop(0))
    if words and words[0] == "--":
        words.pop(0)
    return own, tuple(words)


def _is_value(word: str, option: Option) -> bool:
    return not option.bare or word == option.bare or word.lstrip("-").isdigit()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", f"{self.prog} -- --help shows the step's options")


def parser(session: str, purpose: str, options: tuple[Option, ...]) -> argparse.ArgumentParser:
    """The parser that explains and checks a step's own options."""
    result = _Parser(
        prog=f"nox -s {session}",
        usage=f"nox -s {session} -- [step options] [--] [arguments]",
        description=purpose,
        epilog="Step options come first; everything from the first unknown word, or after a second --, is passed on.",
        allow_abbrev=False,
    )
    for option in options:
        if option.value is None:
            result.add_argument(option.name, action="store_true", help=option.help)
        elif option.many:
            result.add_argument(option.name, metavar=option.value, action="append", default=[], help=option.help)
        elif option.bare:
            result.add_argument(option.name, metavar=option.value, nargs="?", const=option.bare, help=option.help)
        else:
            result.add_argument(option.name, metavar=option.value, choices=option.choices or None, help=option.help)
    return result


def parse(session: str, purpose: str, posargs: tuple[str, ...], options: tuple[Option, ...]) -> Arguments:
    """The step's options as values, the rest untouched.

    Raises:
        UsageError: an option's value is missing or not one of its choices.
        HelpShown: ``--help`` came first; the help is printed.
    """
    own, rest = split(posargs, options)
    _refuse_misspelt(session, own, posargs, rest, options)
    command = parser(session, purpose, options)
    if "--help" in own or "-h" in own:
        command.print_help()
        raise HelpShown("help shown", "")
    values = vars(command.parse_args(own))
    _refuse_empty(session, values, options)
    return Arguments(values, rest)


def _refuse_empty(session: str, values: dict[str, Any], options: tuple[Option, ...]) -> None:
    """``--apply "$PLAN"`` with a variable that is not set would do without a word what is done without the option."""
    for option in options:
        value = values[option.key]
        if value == "" or (option.many and "" in value):
            raise UsageError(
                f"{session}: {option.name} was given an empty value",
                "give it one, or leave the option out; a variable that is not set is empty",
            )


def _refuse_misspelt(
    session: str, own: list[str], posargs: tuple[str, ...], rest: tuple[str, ...], options: tuple[Option, ...]
) -> None:
    """A word that is nearly one of ours is no option of pytest's; after a second ``--`` it would be passed on."""
    if len(own) + len(rest) != len(posargs) or not rest or not rest[0].startswith("--"):
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only where there is something to compare

    near = get_close_matches(rest[0].partition("=")[0], [option.name for option in options], n=1, cutoff=0.8)
    if near:
        raise UsageError(
            f"{session} has no option {rest[0]}; the nearest is {near[0]}",
            f"nox -s {session} -- --help shows the step's options; after a second -- everything is passed on",
        )


def python_of(session: str, pythons: tuple[str, ...], asked: Optional[str]) -> str:
    """The Python of a step whose name holds none: as asked for, else the newest of the project's.

    Raises:
        UsageError: the project is not configured for it.
    """
    if asked and asked not in pythons:
        raise UsageError(f"{session}: {asked} is none of the project's Pythons", f"they are {', '.join(pythons)}")
    from noxlib.config.pythons import newest  # noqa: PLC0415 - listing the sessions needs none of it

    return asked or newest(pythons)


def no_rest(session: str, arguments: Arguments) -> None:
    """Refuse words that a step without tests has no use for.

    Raises:
        UsageError: there are some.
    """
    if arguments.rest:
        raise UsageError(
            f"{session} takes no argument {arguments.rest[0]!r}", f"nox -s {session} -- --help shows the step's options"
        )
