"""Documentation: Sphinx or MkDocs, whichever the project has; a warning is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from noxlib.config.detect import load_project
from noxlib.sessions import tools
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say

_OUTPUT = ".noxlib/docs"
_MKDOCS = "mkdocs.yml"
_SOURCES = ("docs", "doc", "docs/source", "doc/source")


def run(context: Context) -> None:
    """Carry the step out; words after ``--`` go to the builder."""
    arguments = context.parse(DRY_RUN)
    command = _command(context, arguments.rest)
    if arguments["dry_run"]:
        say(" ".join(command))
        return
    tools.run(context.session, command, context.root)
    say(f"{context.session}: written to {_OUTPUT}/index.html")


def _command(context: Context, words: tuple[str, ...]) -> tuple[str, ...]:
    source = _sphinx(context.root)
    if source is not None:
        command = ("-W", "--keep-going", "-q", "-b", "html", *words, source, _OUTPUT)
        return tools.argv("sphinx", *command, executable="sphinx-build", needs=_needs(context.root, source))
    if (context.root / _MKDOCS).exists():
        return tools.argv(
            "mkdocs", "build", "--strict", "--site-dir", _OUTPUT, *words, needs=_needs(context.root, "docs")
        )
    raise tools.nothing_to_do(
        context.session, "there is neither docs/conf.py nor mkdocs.yml", "write one: `sphinx-quickstart docs` does"
    )


def _needs(root: Path, source: str) -> tuple[str, ...]:
    """What the pages need beside the builder: the usual file of requirements, else what the project calls docs."""
    files = (root / name for name in (f"{source}/requirements.txt", "docs/requirements.txt", "requirements-docs.txt"))
    found = next((str(file) for file in files if file.is_file()), None)
    if found is not None:
        return ("--with-requirements", found)
    metadata = load_project(root).metadata
    tables = (metadata.get("dependency-groups", {}), metadata.get("project", {}).get("optional-dependencies", {}))
    named = next((table[name] for table in tables for name in ("docs", "doc") if name in table), ())
    return tuple(word for line in named if isinstance(line, str) for word in ("--with", line))


def configured(root: Path) -> bool:
    """Whether there is documentation to build."""
    return _sphinx(root) is not None or (root / _MKDOCS).exists()


def _sphinx(root: Path) -> Optional[str]:
    return next((name for name in _SOURCES if (root / name / "conf.py").exists()), None)
