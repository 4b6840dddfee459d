"""The plugin's options: ``--noxlib-NAME`` always, and the short ``--NAME`` where no conftest and no plugin has it."""

from __future__ import annotations

import argparse
import math
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "noxlib"
FORMS = ("env:", "file:")


def positive(text: str) -> float:
    """A number above zero, as argparse asks for its type."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a number above zero, found {text!r}")
    return number


def count(text: str) -> int:
    """A whole number above zero."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number above zero, found {text!r}")
    return int(text)


def port(text: str) -> int:
    """A port of TCP."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):  # noqa: PLR2004 - 16 bits
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, found {text!r}")
    return int(text)


def named(text: str) -> str:
    """A name; one that is empty is a variable that was not set where the command was written."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a name, found {text!r}")
    return text


def reference(text: str) -> str:
    """Where a secret is to be found. What was given instead is not repeated: it may be the secret."""
    if not any(text.startswith(form) and text[len(form) :] for form in FORMS):
        raise argparse.ArgumentTypeError("expected env:NAME or file:PATH, not the secret itself")
    return text


OPTIONS: dict[str, dict[str, Any]] = {
    "env-config": {"metavar": "NAME", "help": "environment: local, ci, hpc_cluster, cloud_hpc or one of the project"},
    "timeout-multiplier": {
        "metavar": "N",
        "type": positive,
        "help": "what timeouts are multiplied by, instead of the profile's",
    },
    "max-concurrent": {"metavar": "N", "type": count, "help": "operations at once, instead of the profile's"},
    "leaks": {
        "metavar": "report|fail",
        "choices": ("report", "fail"),
        "help": "name the tests that leave processes, ports, threads, variables or files behind, or fail them",
    },
    "ssh-host": {"metavar": "HOST", "help": "host that tests reach by SSH"},
    "ssh-port": {"metavar": "PORT", "type": port, "help": "its port; default 22"},
    "ssh-user": {"metavar": "USER", "help": "user there"},
    "ssh-key": {"metavar": "FILE", "help": "private key"},
    "ssh-password": {"metavar": "env:NAME|file:PATH", "type": reference, "help": "where the password is to be found"},
    "postgres-url": {"metavar": "env:NAME|file:PATH", "type": reference, "help": "where the URL of PostgreSQL is"},
    "redis-url": {"metavar": "env:NAME|file:PATH", "type": reference, "help": "where the URL of Redis is"},
    "s3-endpoint": {"metavar": "URL", "help": "server of the storage backend s3; default: AWS"},
    "s3-bucket": {"metavar": "NAME", "help": "its bucket, in which a folder is made and removed"},
    "s3-key": {"metavar": "NAME", "help": "name of the access key"},
    "s3-secret": {"metavar": "env:NAME|file:PATH", "type": reference, "help": "where the secret key is to be found"},
    "distributed": {"action": "store_true", "help": "run this rank's shard (MPI, or a step of Slurm)"},
    "backend": {
        "metavar": "NAME",
        "action": "append",
        "type": named,
        "help": "storage backend, instead of the profile's; may be repeated",
    },
}


def destination(name: str) -> str:
    """The attribute of ``config.option`` that holds an option's value."""
    return "noxlib_" + name.replace("-", "_")


def value(config: Any, name: str) -> Any:
    """The value of an option, None where it was not given."""
    return getattr(config.option, destination(name), None)


def add(parser: Any) -> None:
    """Register the long names; nobody else has them."""
    group = parser.getgroup(GROUP)
    for name, attributes in OPTIONS.items():
        group.addoption(f"--noxlib-{name}", dest=destination(name), default=None, **attributes)


def add_short(parser: Any) -> None:
    """Register the short names that are free now: called when conftests and plugins have registered theirs."""
    group = parser.getgroup(GROUP)
    known = set(taken(parser))
    for name, attributes in OPTIONS.items():
        if f"--{name}" not in known:
            group.addoption(f"--{name}", dest=destination(name), default=None, **attributes)


def release(config: Any) -> None:
    """Give the short names back once the command line is parsed: a conftest that is found later may add its own.

    (pytest before 9 does not mind.)
    """
    parser = getattr(config._parser, "optparser", None)  # noqa: SLF001
    known = getattr(parser, "_option_string_actions", {})
    for name in OPTIONS:
        action = known.get(f"--{name}")
        if action is not None and action.dest == destination(name):
            del known[f"--{name}"]


def taken(parser: Any) -> Iterator[str]:
    """Every option that a parser of pytest 7 to 9 knows."""
    for group in (*parser._groups, parser._anonymous):  # noqa: SLF001 - there is no public way to ask
        for option in group.options:
            yield from option.names()


class Secret(str):
    """A text that tracebacks with variables do not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def secret(text: str) -> Secret:
    """The value behind ``env:NAME`` or ``file:PATH``; raises LookupError and OSError without naming the value."""
    kind, _, name = text.partition(":")
    if kind == "env":
        if name not in os.environ:
            raise LookupError(f"the variable {name} is not set here")
        return Secret(os.environ[name])
    with open(name, encoding="utf-8") as stream:
        try:
            return Secret(stream.read().rstrip("\n"))
        except UnicodeDecodeError:  # which has the bytes
            raise LookupError(f"{name} holds no text") from None
