"""``python -m noxlib``: write what a project lacks, print the schema, tell a run's outcome, make test data."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn, Optional

from noxlib.errors import NoxlibError, UsageError

PROGRAM = "python -m noxlib"
EXIT_CODES = {"passed": 0, "failed": 1, "error": 2, "no-tests": 5, "timeout": 124, "cancelled": 130}
OUTCOME_HELP = ", ".join(f"{outcome} {code}" for outcome, code in EXIT_CODES.items())


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help shows what there is")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    about = "Write what a project lacks, print the schema, tell a run's outcome, make test data."
    result = _Parser(prog=PROGRAM, description=about, allow_abbrev=False)
    commands = result.add_subparsers(metavar="COMMAND", required=True, dest="command")
    text = "write a noxfile.py and commented settings where there are none; nothing is overwritten"
    init = commands.add_parser("init", help=text, description=text.capitalize() + ".", allow_abbrev=False)
    init.add_argument("--devcontainer", action="store_true", help="write .devcontainer/devcontainer.json as well")
    init.add_argument("--github", action="store_true", help="write workflows for GitHub Actions as well")
    init.add_argument("--compose", action="store_true", help="write docker-compose.test.yml as well")
    init.set_defaults(run=_init)
    text = "print the JSON schema of [tool.noxlib], for editors"
    commands.add_parser("schema", help=text, description=text.capitalize() + ".").set_defaults(run=_schema)
    text = f"print the outcome of a run and exit with its code: {OUTCOME_HELP}"
    outcome = commands.add_parser("outcome", help="print the outcome of a run", description=text.capitalize() + ".")
    outcome.add_argument("name", metavar="RUN", help="name of a folder below .noxlib/runs")
    outcome.set_defaults(run=_outcome)
    commands.add_parser("data", help="make test data and print where they are", add_help=False)
    return result


def _root() -> Path:
    from noxlib.config.load import find_root  # noqa: PLC0415 - each command imports what it needs

    return find_root(Path.cwd())


def _init(options: argparse.Namespace) -> int:
    from noxlib.config.scaffold import write_compose, write_noxfile, write_settings, write_workflows  # noqa: PLC0415

    root = _root()
    # The devcontainer first of all, since it may refuse the project.
    written = [*(_devcontainer(root) if options.devcontainer else ())]
    written += [write_settings(root), write_noxfile(root), *(write_workflows(root) if options.github else ())]
    written += [write_compose(root)] if options.compose else []
    for path, what in sorted(written):
        print(f"{what:>8}  {path}")
    print(f"next: `uvx nox -l` in {root}")
    return 0


def _devcontainer(root: Path) -> tuple[tuple[str, str], ...]:
    from noxlib.config.detect import load_project  # noqa: PLC0415
    from noxlib.config.devcontainer import write_devcontainer  # noqa: PLC0415

    return write_devcontainer(load_project(root))


def _schema(_: argparse.Namespace) -> int:
    from noxlib.config.schema import schema  # noqa: PLC0415

    print(json.dumps(schema(), indent=2))
    return 0


def _outcome(options: argparse.Namespace) -> int:
    outcome = read_outcome(_root(), options.name)
    print(outcome)
    return EXIT_CODES[outcome]


def _data(words: Sequence[str]) -> int:
    """Test data, made by the program that runs beside the tests too; the cache is kept within its budget."""
    from noxlib.places import shared_data  # noqa: PLC0415

    program = Path(__file__).with_name("inside") / "data_program.py"
    environment = {**os.environ, shared_data.VARIABLE: str(shared_data.folder())}
    return subprocess.run([sys.executable, str(program), *words], env=environment, check=False).returncode


def read_outcome(root: Path, run: str) -> str:
    """The outcome that a run's record holds.

    Raises:
        UsageError: there is no such run, or its record cannot be read.
    """
    if run in ("", ".", "..") or set(run) & {"/", "\\", "\0"}:
        raise UsageError(f"{run!r} is no name of a run", "give the name of a folder below .noxlib/runs")
    path = root / ".noxlib" / "runs" / run / "record.json"
    try:
        outcome = json.loads(path.read_text(encoding="utf-8"))["outcome"]
    except FileNotFoundError:
        raise UsageError(f"there is no record of a run {run!r}", f"look into {path.parent.parent}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{path} is no record: {type(error).__name__}", "the run did not write it: see its logs"
        ) from None
    if outcome not in EXIT_CODES:
        raise UsageError(f"{path} holds an unknown outcome {outcome!r:.80}", f"known are {', '.join(EXIT_CODES)}")
    return str(outcome)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Carry out one command; its exit code. Errors are two lines and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if list(words[:1]) == ["data"]:
            return _data(words[1:])
        options = parser().parse_args(words)
        code: int = options.run(options)
        sys.stdout.flush()
    except NoxlibError as error:
        print(f"noxlib: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
