"""``doctor``: one line a fact, one fix a line for what is missing; it fails only where the configuration needs it."""

from __future__ import annotations

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.errors import EngineError
from noxlib.sessions import machine
from noxlib.sessions.arguments import Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.sessions.finding import Finding

JSON = Option("--json", "print the findings as JSON")


class MissingNeed(EngineError):
    """Something that the configuration needs is missing."""


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        MissingNeed: what the configuration needs is missing.
    """
    arguments = context.parse(JSON)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    findings = (*_detected(project), *machine.look(project))
    if arguments["json"]:
        say(msgspec.json.format(msgspec.json.encode(findings), indent=1).decode())
    else:
        _print(findings)
    missing = [finding for finding in findings if finding.needed and not finding.ok]
    if missing:
        raise MissingNeed(
            f"{len(missing)} of what the configuration needs is missing: {', '.join(f.name for f in missing)}",
            missing[0].fix,
        )


def _detected(project: Project) -> tuple[Finding, ...]:
    """What was detected of the project, and from where."""
    return tuple(Finding(fact.name, f"{fact.value}  ({fact.origin})") for fact in project.facts)


def _print(findings: tuple[Finding, ...]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
        say(f"{mark:8}{finding.name:{width}}  {finding.value}")
        if not finding.ok and finding.fix:
            say(f"{'':8}{'':{width}}  fix: {finding.fix}")
