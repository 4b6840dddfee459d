"""What dead runs left: each kind has a remover, and machines that do not answer hold no start up."""

from __future__ import annotations

import ast
from pathlib import Path

import msgspec
import pytest

import noxlib
from noxlib.engines.ssh_target import Target
from noxlib.errors import EngineError
from noxlib.ledger import Entry, Ledger
from noxlib.places import unanswered
from noxlib.places.leftovers import Removers

PACKAGE = Path(noxlib.__file__).parent


def kinds_of(tree: ast.Module) -> set[str]:
    """The first arguments of ``ledger.add(…)`` in a module; ``KIND`` is the module's own."""
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    added = [call.args[0] for call in calls if call.func.attr == "add" and "edger" in ast.unparse(call.func.value)]  # type: ignore[attr-defined]
    found = (first.value if isinstance(first, ast.Constant) else constants.get(ast.unparse(first)) for first in added)
    return {str(kind) for kind in found if kind is not None}


def test_every_kind_that_is_written_down_has_a_remover(tmp_path: Path) -> None:
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    written = {kind for text in texts if ".add(" in text for kind in kinds_of(ast.parse(text))}
    assert {"container", "vm", "remote-folder", "compose", "node-folder", "simulation"} <= written
    assert written <= set(Removers(Ledger(tmp_path)).by_kind())


class Machine:
    """Answers or not, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.up = False

    def __call__(self) -> None:
        self.asked += 1
        if not self.up:
            raise EngineError("nobody answers", "start it")


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    return Ledger(tmp_path).add("remote-folder", "root@host:/f")


def test_a_machine_that_does_not_answer_is_asked_once_in_a_while(entry: Entry, tmp_path: Path) -> None:
    machine = Machine()
    for said in ("nobody answers", r"root@host did not answer \d+ min ago"):
        with pytest.raises(EngineError, match=said):
            unanswered.remove(entry, tmp_path, "root@host", machine)
    assert machine.asked == 1
    machine.up = True
    assert unanswered.remove(entry, tmp_path, "root@other", machine)
    unanswered.ask_again(tmp_path)
    assert unanswered.remove(entry, tmp_path, "root@host", machine)
    assert unanswered.remove(entry, tmp_path, "root@host", machine)
    assert machine.asked == 4


def test_a_machine_that_never_answers_again_is_given_up(
    entry: Entry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = msgspec.structs.replace(entry, created=entry.created - unanswered.FORGET_SECONDS - 1)
    assert unanswered.remove(old, tmp_path, "root@host", Machine())
    assert "root@host has not answered for 7 days; root@host:/f is given up" in capsys.readouterr().out


@pytest.mark.parametrize("target", [Target("h"), Target("::1", "root", 2222, "/a key")])
def test_a_machine_is_found_again_by_what_the_ledger_holds(target: Target) -> None:
    assert Target.of(target.details()) == target
