#!/usr/bin/env python3
"""Refuse, in the files named, a missing last newline, blanks at a line's end, markers of a merge, more than 500 kB."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST = 500_000  # bytes
MARKERS = re.compile(rb"^(<{7} |>{7} |={7}$)", re.MULTILINE)
BLANKS = re.compile(rb"[ \t]+\r?$", re.MULTILINE)


def findings(path: Path) -> Iterator[str]:
    """One line for each thing that is wrong with a file; of a binary one only its size counts."""
    content = path.read_bytes()
    if len(content) > LARGEST:
        yield f"{path}: {len(content)} bytes, more than {LARGEST}"
    if b"\0" in content:
        return
    if content and not content.endswith(b"\n"):
        yield f"{path}: no newline at its end"
    if content.endswith(b"\n\n"):
        yield f"{path}: an empty line at its end"
    for what, pattern in (("a marker of a merge", MARKERS), ("blanks at its end", BLANKS)):
        for match in pattern.finditer(content):
            line = content.count(b"\n", 0, match.start()) + 1
            yield f"{path}:{line}: {what}"


if __name__ == "__main__":
    found = [line for name in sys.argv[1:] if Path(name).is_file() for line in findings(Path(name))]
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
