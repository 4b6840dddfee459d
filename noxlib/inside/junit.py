"""JUnit XML of what is no test of pytest's, in the form that pytest writes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS = {"failed": "failure", "crashed": "failure", "error": "error", "skipped": "skipped", "xfailed": "skipped"}
COUNTS = {"failure": "failures", "error": "errors", "skipped": "skipped"}
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0, 2.2


class Case:
    """A test. ``outcome`` is passed, failed, error, crashed, skipped, xfailed or xpassed; ``seconds`` its duration."""

    def __init__(
        self, name: str, outcome: str, seconds: float, message: str, output: str = "", classname: str = ""
    ) -> None:
        self.name = name
        self.classname = classname
        self.outcome = outcome
        self.seconds = seconds
        self.message = message
        self.output = output


def write(path: str, suite: str, cases: Sequence[Case]) -> None:
    """Write one suite; characters that XML cannot hold become ``#xNN``, as pytest has it."""
    counts = {"tests": len(cases), "errors": 0}
    counts["failures"] = sum(case.outcome == "failed" for case in cases)
    counts["skipped"] = sum(case.outcome in ("skipped", "xfailed") for case in cases)
    root = ET.Element("testsuites", name=f"{suite} tests")
    element = ET.SubElement(root, "testsuite", name=clean(suite))
    element.attrib.update({name: str(number) for name, number in counts.items()})
    element.set("time", f"{sum(case.seconds for case in cases):.3f}")
    for case in cases:
        _append(element, case, suite)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def add(path: str, cases: Sequence[Case]) -> None:
    """Add cases to what pytest has written."""
    tree = ET.parse(path)  # noqa: S314 - this process' own
    suite = tree.getroot().find("testsuite")
    if suite is None:
        return
    counts = {"tests": len(cases)}
    counts.update((name, sum(KINDS.get(case.outcome) == kind for case in cases)) for kind, name in COUNTS.items())
    for name, number in counts.items():
        suite.set(name, str(int(suite.get(name, "0")) + number))
    for case in cases:
        _append(suite, case)
    tree.write(path, encoding="utf-8", xml_declaration=True)


def of_id(test: str) -> tuple[str, str]:
    """Class and name of a test as pytest writes them: ``tests.test_a.TestB``, ``test_c[1]``."""
    path, bracket, parameters = test.partition("[")
    file, *names = path.split("::")
    parts = [re.sub(r"\.py$", "", file.replace("/", ".")), *names]
    return ".".join(parts[:-1]), parts[-1] + bracket + parameters


def _append(suite: ET.Element, case: Case, classname: str = "") -> None:
    name = clean(case.classname or classname)
    element = ET.SubElement(suite, "testcase", classname=name, name=clean(case.name), time=f"{case.seconds:.3f}")
    kind = KINDS.get(case.outcome)
    if kind:
        ET.SubElement(element, kind, message=clean(case.message))
    if case.output:
        ET.SubElement(element, "system-out").text = clean(case.output)


def clean(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return FORBIDDEN.sub(lambda found: f"#x{ord(found[0]):02X}", text)
