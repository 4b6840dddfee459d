"""JUnit XML of any number of runs in one file, and of a run whose tests could not write it: what CI systems read.

Files that tests wrote are hostile: document types (entities that grow) are refused, what is no XML character is
escaped, numbers are counted anew. Form: https://github.com/testmoapp/junitxml.
"""

from __future__ import annotations

import re
import stat
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional
from xml.parsers import expat

from noxlib import atomic
from noxlib.records import result as results
from noxlib.records.record import BenchmarkSection, Failure, Record
from noxlib.records.report import Run

_BYTES = 256 << 20  # of one run's file
_DEPTH = 50  # of its elements
#: Outcome of a test in ``report.jsonl`` -> what its case has.
_KINDS = {"failed": "failure", "crashed": "failure", "error": "error", "skipped": "skipped", "xfailed": "skipped"}
_CASE = frozenset(("failure", "error", "skipped", "system-out", "system-err", "properties"))
#: Everything but the characters of XML 1.0, section 2.2.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def merge(found: Sequence[Run]) -> bytes:
    """One document: a suite for each run, with its place, testground and commit as properties.

    A run without usable JUnit gets its tests from its report and its record; one without a record is an error.
    """
    root = ET.Element("testsuites", name="noxlib")
    suites = [_suite(run) for run in found]
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.extend(suites)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def make(folder: Path, record: Record) -> None:
    """Write ``junit.xml`` of a run whose tests' process was ended before it could, unless there is a usable one.

    Raises OSError.
    """
    if parse(folder / "junit.xml") is None:
        atomic.write(folder / "junit.xml", merge([Run(folder, record.session, record)]), mode=0o644)


def _suite(run: Run) -> ET.Element:
    suite = ET.Element("testsuite", name=_legal(run.session))
    record = run.record
    if record is not None:
        suite.set("timestamp", _legal(record.started))
        suite.set("time", f"{record.timings.get('run', 0.0):.3f}")
        suite.append(_properties(record))
    cases = _cases(run.folder / "junit.xml")
    suite.extend(cases or _of_record(run))
    if cases and record is not None and not _unhappy(cases) and record.outcome != "passed":
        suite.append(_case(run.session, record.outcome, "error", run.message))
    _count(suite)
    return suite


def _properties(record: Record) -> ET.Element:
    values = {
        "run": record.run,
        "outcome": record.outcome,
        "python": record.python,
        "place": record.place.name if record.place else "",
        "image": record.testground.image or "",
        "digest": record.testground.digest or "",
        "commit": record.source.commit or "",
        "subtests_passed": str(record.counts.subtests_passed),
        "subtests_failed": str(record.counts.subtests_failed),
        "subtests_skipped": str(record.counts.subtests_skipped),
    }
    properties = ET.Element("properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=_legal(value))
    return properties


def _of_record(run: Run) -> list[ET.Element]:
    """Cases where the tests left no JUnit: benchmarks, tests by report and record, what the run itself died of."""
    if run.record and run.record.performance:
        return [_benchmark(run.session, one) for one in run.record.performance.benchmarks]
    cases = list(_tests(run, run.record.failures if run.record else ()))
    if not _unhappy(cases) and run.outcome != "passed":
        cases = [_case(run.session, run.outcome, "error", run.message)]
    return cases


def _tests(run: Run, failures: Sequence[Failure]) -> Iterator[ET.Element]:
    """Each test by its last line in the report, and what failed beside it; one that did not end died with the run."""
    failed = {failure.id: failure.message for failure in reversed(failures)}
    last = {line.id: line for line in results.events(run.folder / "report.jsonl") if line.event in ("start", "end")}
    for test in (*last, *(test for test in failed if test not in last)):
        line = last.get(test)
        if line is not None and line.event == "end":
            kind, message, seconds = _KINDS.get(line.outcome, ""), failed.get(test, ""), line.duration
        else:
            kind, message, seconds = "failure" if test in failed else "error", failed.get(test, run.message), 0.0
        classname, name = names(test)
        case = _case(classname or run.session, name, kind, message)
        case.set("time", f"{seconds:.3f}")
        yield case


def names(test: str) -> tuple[str, str]:
    """Class and name of a test as pytest writes them: ``tests.test_a.TestB``, ``test_c[1]``."""
    path, bracket, parameters = test.partition("[")
    file, *below = path.split("::")
    parts = [file.replace("/", ".").removesuffix(".py") if below else file, *below]
    return ".".join(parts[:-1]), parts[-1] + bracket + parameters


def _benchmark(session: str, found: BenchmarkSection) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(session), name=_legal(found.name), time=f"{found.head:.6g}")
    if found.verdict == "slower":
        ET.SubElement(case, "failure", message=f"{found.ratio:.3f} times the base's time")
    return case


def _case(classname: str, name: str, kind: str, message: str) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(classname), name=_legal(name))
    if kind:
        ET.SubElement(case, kind, message=_legal(message))
    return case


def _unhappy(cases: Sequence[ET.Element]) -> bool:
    return any(_kind(case) in ("failure", "error") for case in cases)


def _count(suite: ET.Element) -> None:
    """Numbers of tests: a test with subtests is one, whatever its file says."""
    kinds = [_kind(case) for case in suite.iter("testcase")]
    numbers = {"tests": len(kinds), "failures": kinds.count("failure")}
    for name, number in {**numbers, "errors": kinds.count("error"), "skipped": kinds.count("skipped")}.items():
        suite.set(name, str(number))


def _kind(case: ET.Element) -> str:
    found = {child.tag for child in case}
    return next((kind for kind in ("failure", "error", "skipped") if kind in found), "passed")


def _cases(path: Path) -> list[ET.Element]:
    """The test cases of a file, with nothing in them but what belongs there; empty where it is no usable JUnit."""
    root = parse(path)
    cases = list(root.iter("testcase")) if root is not None else []
    for case in cases:
        for child in [child for child in case if child.tag not in _CASE]:
            case.remove(child)
    return cases


def parse(path: Path) -> Optional[ET.Element]:
    """The root element of an XML file; None where it is absent, no plain file, too large, damaged or has a DOCTYPE."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _BYTES:
            return None
        return _parsed(path.read_bytes())
    except (OSError, ValueError, expat.ExpatError):
        return None


def _parsed(data: bytes) -> ET.Element:
    """Parse by expat itself, since ElementTree's own parser cannot refuse a DOCTYPE."""
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEPTH:
            raise ValueError("too deeply nested")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    def refuse(*_: object) -> None:
        raise ValueError("it has a DOCTYPE")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.buffer_text = True
    parser.Parse(data, True)
    return builder.close()


def _legal(value: str) -> str:
    """A text with what is no XML character escaped as Python would escape it."""
    return _ILLEGAL.sub(lambda match: ascii(match[0])[1:-1], value)
