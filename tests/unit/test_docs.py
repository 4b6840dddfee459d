"""The documentation is complete, and its links lead somewhere."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import noxlib
from noxlib.config.environment import NAMED, RESERVED, keys, tables
from noxlib.config.files import read_toml
from noxlib.config.models import Config, SuiteConfig
from noxlib.errors import NoxlibError
from noxlib.records.record import Counts, Record
from noxlib.sessions.arguments import HelpShown
from noxlib.sessions.context import Context
from noxlib.steps import STEPS, Step

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
CODE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def rows(text: str) -> list[str]:
    """The first cell of each row of each table, without backquotes."""
    return [line.split("|")[1].strip().strip("`") for line in text.splitlines() if line.startswith("| `")]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_session_has_a_section_with_its_output(step: object) -> None:
    name = getattr(step, "name")  # noqa: B009 - parametrize hands over objects
    section = page("sessions").split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert "```console\n$ nox -s " + name in section


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_option_of_a_session_stands_in_its_section(step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    context = Context(step.name, step.name, step.purpose, "3.10" if step.per_python else "", ROOT, ("--help",))
    with pytest.raises(HelpShown):
        importlib.import_module(f"noxlib.sessions.{step.home}").run(context)
    options = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    section = page("sessions").split(f"\n## {step.name}\n")[1].split("\n## ")[0]
    assert [option for option in sorted(options) if f"`{option}`" not in section] == []


def keys_of_rows() -> set[str]:
    """Every key as its row has it; below a name that the project chooses with the whole way: ``levels.NAME.args``."""
    structs: list[type[msgspec.Struct]] = [Config, *tables().values()]
    plain = {key for struct in structs for key in struct.__struct_fields__}
    return plain | {f"{path[-1]}.NAME.{key}" for path, struct in NAMED.items() for key in struct.__struct_fields__}


def test_every_key_of_the_configuration_has_a_row() -> None:
    documented = rows(page("configuration"))
    assert [key for key in sorted(keys_of_rows()) if documented.count(key) != 1] == []


def test_every_variable_stands_beside_its_key() -> None:
    text = page("configuration")
    as_unit = set(SuiteConfig.__struct_fields__)  # the other suites' are told of in a sentence
    rowed = [name for name, path in keys().items() if path[0] == "unit" or path[-1] not in as_unit]
    assert [name for name in (*rowed, *RESERVED) if f"`{name}`" not in text] == []


def test_no_row_names_a_key_that_is_gone() -> None:
    assert [key for key in rows(page("configuration")) if key not in keys_of_rows() | RESERVED] == []


def test_every_field_of_the_record_is_explained() -> None:
    text = page("records")
    assert [name for name in (*Record.__struct_fields__, *Counts.__struct_fields__) if f"`{name}`" not in text] == []


def test_every_outcome_stands_with_its_exit_code() -> None:
    from noxlib.__main__ import EXIT_CODES

    assert [name for name, code in EXIT_CODES.items() if f"| `{name}` | {code} |" not in page("records")] == []


def errors() -> Iterator[type[NoxlibError]]:
    """Every class of error that a user may meet."""
    for module in pkgutil.walk_packages(noxlib.__path__, "noxlib."):
        if not module.name.startswith(("noxlib.inside", "noxlib.templates", "noxlib.__main__")):
            found = vars(importlib.import_module(module.name)).values()
            yield from (value for value in found if isinstance(value, type) and issubclass(value, NoxlibError))


def test_every_class_of_error_has_a_section() -> None:
    internal = {"NoxlibError", "HelpShown"}  # the base, and what --help raises when all went well
    sections = re.findall(r"^## (\w+)$", page("troubleshooting"), re.MULTILINE)
    assert sorted({error.__name__ for error in errors()} - internal - set(sections)) == []


def test_every_dependency_is_justified() -> None:
    table = read_toml(ROOT / "pyproject.toml")["project"]
    stated = [*table["dependencies"], *(one for extra in table["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=;]", requirement)[0].strip() for requirement in stated} - {"noxlib"}
    assert len(names) > 20
    cells = "".join(line.split("|")[1] for line in page("dependencies").splitlines() if line.startswith("| `"))
    assert [name for name in sorted(names) if f"`{name}`" not in cells] == []


def test_every_page_is_in_a_toctree() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", page("index"), re.DOTALL)
    entries = {line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")}
    assert {path.stem for path in PAGES} - {"index"} <= entries


def anchors(text: str) -> set[str]:
    """Headings as GitHub and MyST name them, and targets of MyST."""
    headings = re.findall(r"^#{1,3} (.+)$", CODE.sub("", text), re.MULTILINE)
    named = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return named | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_relative_link_resolves(path: Path) -> None:
    text = CODE.sub("", path.read_text(encoding="utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        known = not anchor or target.suffix != ".md" or anchor in anchors(target.read_text(encoding="utf-8"))
        if not target.exists() or not known:
            broken.append(link)
    assert broken == []


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 80
    commands = re.findall(r"^\$ (.+)$", text, re.MULTILINE)
    assert commands[:2] == ["./scripts/nox -s unit-3.11", "./scripts/test"]


def nox(*words: str) -> subprocess.CompletedProcess[str]:
    """nox on the example, as its reader would call it."""
    argv = [sys.executable, "-m", "nox", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    example = ROOT / "examples" / "own_sessions"
    return subprocess.run(argv, cwd=example, env=environment, capture_output=True, text=True, check=False)


def test_the_example_registers_what_its_page_says() -> None:
    found = set(re.findall(r"^[*-] (\S+)", nox("-l").stdout, re.MULTILINE))
    assert {"unit-3.10", "unit", "slow-3.11", "slow", "greet", "plain", "doctor"} <= found
    assert not {"lint", "coverage", "unit-3.9"} & found


def test_the_example_has_tags_of_its_own() -> None:
    listed = json.loads(nox("-l", "--json", "-t", "quick").stdout)
    assert {session["session"] for session in listed} >= {"unit-3.10", "unit-3.11"}
    assert not any(session["session"].startswith("slow") for session in listed)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [(["--shout", "you"], 0, "HELLO YOU"), ([], 1, "greet: nobody to greet\n  nox -s greet -- NAME")],
)
def test_a_step_of_a_projects_own_has_options_and_errors_like_ours(words: list[str], code: int, text: str) -> None:
    done = nox("-s", "greet", "--", *words)
    assert (done.returncode, text in done.stdout + done.stderr) == (code, True)
