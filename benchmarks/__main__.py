"""``python -m benchmarks [NAME …] [--rounds N] [--json FILE]``: targets, what was measured, met or missed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import (
    archives,
    compose,
    container,
    data,
    databases,
    finding,
    listing,
    memory,
    network,
    parallel,
    plugin,
    preparing,
    publishing,
    report,
    retention,
    shards,
    slurm,
    ssh,
    venv,
    vm,
    vmtest,
)
from benchmarks.sampling import Failed, say
from noxlib import atomic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Result

BENCHMARKS = {
    "list": listing.run,
    "container": container.run,
    "venv": venv.run,
    "find": finding.run,
    "prepare": preparing.run,
    "publish": publishing.run,
    "archives": archives.run,
    "parallel": parallel.run,
    "memory": memory.run,
    "compose": compose.run,
    "ssh": ssh.run,
    "vm": vm.run,
    "vmtest": vmtest.run,
    "slurm": slurm.run,
    "retention": retention.run,
    "shards": shards.run,
    "network": network.run,
    "data": data.run,
    "databases": databases.run,
    "plugin": plugin.run,
}


def main(words: Sequence[str]) -> int:
    """Measure; 1 if something could not be measured. A missed target is told, and is no error: machines differ."""
    arguments = _parser().parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="noxlib-bench-state-"))
    os.environ["NOXLIB_CACHE_DIR"] = str(folder)  # nobody's own locks and prepared files are touched
    try:
        results = _measured(arguments.names or list(BENCHMARKS), arguments.rounds)
    except Failed as error:
        say(f"bench: {error}")
        return 1
    finally:
        atomic.remove_tree(folder)
    say(f"\n{report.table(results)}\n\n{report.circumstances()}")
    if arguments.json:
        arguments.json.write_text(report.to_json(results), encoding="utf-8")
    return 0


def _measured(names: Sequence[str], rounds: int) -> list[Result]:
    results: list[Result] = []
    for name in names:
        say(f"{name} …")
        found = BENCHMARKS[name](rounds)
        for result in found:
            say(report.line(result))
        results += found
    return results


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed of noxlib against the bare tool.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", type=_known, help=f"which: {', '.join(BENCHMARKS)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=11, help="rounds of each pair (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file too")
    return parser


def _known(name: str) -> str:
    """A benchmark's name (argparse's own ``choices`` refuses an empty list before Python 3.12)."""
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"there is no benchmark {name!r}")
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
