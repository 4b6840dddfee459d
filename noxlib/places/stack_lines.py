"""Where something stands in a compose file: the line of a path of keys, through YAML's anchors and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

import yaml

if TYPE_CHECKING:
    from pathlib import Path

Step = Union[str, int]


class Lines:
    """The lines of compose files, a later one of which overrides an earlier one.

    Args:
        files: The files as they are given to compose, which reads some that are no YAML 1.1: those have no lines.
    """

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._roots = tuple((file.name, _root(file)) for file in files)

    def at(self, *path: Step) -> tuple[str, int]:
        """The file and the line of a path of keys and indices, or of the deepest part of it that is written down.

        Of several files the last one that has most of it counts. What comes by ``include`` or ``extends`` stands at its
        first key here.
        """
        found = [(*_deepest(root, path), name) for name, root in self._roots]
        depth, line, name = max(reversed(found), key=lambda one: one[0])
        return (name, line) if depth else (self._roots[0][0], 1)

    def plain(self, *path: Step) -> bool:
        """Whether a part stands there as it counts: without variables, and with nothing left to the environment."""
        found = [node for _, root in self._roots if (node := _part(root, path)) is not None]
        return bool(found) and all(_is_plain(node) and node.value != path[-1] for node in found)


def _root(file: Path) -> Optional[yaml.Node]:
    try:
        return yaml.compose(file.read_text(encoding="utf-8", errors="replace"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None


def _deepest(node: Optional[yaml.Node], path: tuple[Step, ...]) -> tuple[int, int]:
    """How many steps of a path there are, and the line (from 1) of the last of them."""
    depth, line = 0, 1
    for step in path:
        found = _step(node, step)
        if found is None:
            break
        where, node = found
        depth, line = depth + 1, where.start_mark.line + 1
    return depth, line


def _part(node: Optional[yaml.Node], path: tuple[Step, ...]) -> Optional[yaml.Node]:
    for step in path:
        found = _step(node, step)
        if found is None:
            return None
        node = found[1]
    return node


def _is_plain(node: yaml.Node) -> bool:
    if isinstance(node, yaml.ScalarNode):
        return "$" not in node.value and node.tag != "tag:yaml.org,2002:null"
    inner = (part for item in node.value for part in (item if isinstance(item, tuple) else (item,)))
    return all(map(_is_plain, inner))


def _step(node: Optional[yaml.Node], step: Step) -> Optional[tuple[yaml.Node, yaml.Node]]:
    """What names a part of a node, and the part."""
    if isinstance(node, yaml.SequenceNode):
        return _item(node, step)
    if not isinstance(node, yaml.MappingNode):
        return None
    for key, value in node.value:
        if key.value == str(step):
            return key, value
    merged = (value for key, value in node.value if key.value == "<<")
    parts = (part for value in merged for part in (value.value if isinstance(value, yaml.SequenceNode) else (value,)))
    return next((found for part in parts if (found := _step(part, step)) is not None), None)


def _item(node: yaml.SequenceNode, step: Step) -> Optional[tuple[yaml.Node, yaml.Node]]:
    """An item by its number, or of a list of words (``NAME=value``, a service's name) by its first part."""
    if isinstance(step, int):
        return (node.value[step], node.value[step]) if step < len(node.value) else None
    words = (item for item in node.value if isinstance(item, yaml.ScalarNode))
    return next(((item, item) for item in words if item.value.partition("=")[0] == step), None)
