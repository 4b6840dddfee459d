#!/usr/bin/env python3
"""Refuse paths of one machine and host names of package indexes in the files named: they are true nowhere else."""

import re
import sys
from pathlib import Path

# Paths inside containers (/workspace, /root/.netrc, /root/.cache) and users of examples are fine.
MACHINE = re.compile(
    r"(?<![\w.$}])/(?:work/|Users/|root/(?!\.(?:netrc|cache)|usr|\$)|home/(?!(?:you|ann|noxlib|somebody)\b)\w)"
)
INDEX = re.compile(
    r"\b(?:pypi|pythonhosted|artifactory|nexus)\.(?:org|python|io|com)\b|\bdevpi\.\w+\.\w+", re.IGNORECASE
)


def findings(path: Path) -> list[str]:
    """``file:line: text`` for each line that names such a path or host; binary files have none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    wrong = ((number, line) for number, line in enumerate(lines, 1) if MACHINE.search(line) or INDEX.search(line))
    return [f"{path}:{number}: {line.strip()[:120]}" for number, line in wrong]


if __name__ == "__main__":
    found = [line for name in sys.argv[1:] if Path(name).is_file() for line in findings(Path(name))]
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
