"""An override of a compose file that mends its mistakes, in the words of compose's own merging."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from noxlib.places.stack import Table
from noxlib.places.stack_lint import Mistake, Reset, merged

FIRST_LINE = "# Written by `nox -s compose_lint -- --fix`, which writes it anew."


class _Dumper(yaml.SafeDumper):
    """YAML with the two tags of compose: ``!reset`` takes a value away, ``!override`` puts another in its place."""


def _reset(dumper: yaml.SafeDumper, value: Reset) -> yaml.Node:
    if value.value is None:
        return dumper.represent_scalar("!reset", "null")
    node = dumper.represent_data(value.value)
    node.tag = "!override"
    return node


_Dumper.add_representer(Reset, _reset)


def text(mistakes: Iterable[Mistake]) -> str:
    """The override's text; empty where none of the mistakes can be mended by one.

    The tags need compose 2.24.4 or later: https://docs.docker.com/reference/compose-file/merge/#reset-value
    """
    table: Table = {}
    for mistake in mistakes:
        table = merged(table, mistake.change or {})
    return f"{FIRST_LINE}\n{dumped(table)}" if table else ""


def dumped(table: Table) -> str:
    """A table as the text of a compose file; ``Reset`` becomes compose's own tags."""
    return str(yaml.dump(_escaped(table), Dumper=_Dumper, sort_keys=False))


def _escaped(value: Any) -> Any:
    """Compose replaces ``$NAME`` in what it reads, so a ``$`` of the value itself is written twice."""
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    if isinstance(value, Reset):
        return Reset(_escaped(value.value))
    return value.replace("$", "$$") if isinstance(value, str) else value
