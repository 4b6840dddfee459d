"""JUnit XML of what is no test of pytest's, in the form that pytest writes."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0, 2.2


class Case:
    """A test. ``outcome`` is passed, failed, skipped, xfailed or xpassed; ``seconds`` its duration."""

    def __init__(self, name: str, outcome: str, seconds: float, message: str, output: str) -> None:
        self.name = name
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
        _append(element, suite, case)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _append(suite: ET.Element, classname: str, case: Case) -> None:
    time = f"{case.seconds:.3f}"
    element = ET.SubElement(suite, "testcase", classname=clean(classname), name=clean(case.name), time=time)
    kind = {"failed": "failure", "skipped": "skipped", "xfailed": "skipped"}.get(case.outcome)
    if kind:
        ET.SubElement(element, kind, message=clean(case.message))
    if case.output:
        ET.SubElement(element, "system-out").text = clean(case.output)


def clean(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return FORBIDDEN.sub(lambda found: f"#x{ord(found[0]):02X}", text)
