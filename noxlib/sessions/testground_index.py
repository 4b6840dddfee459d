"""``testground_index-X``: what the jobs of single platforms published, as one index under the event's tags."""

from __future__ import annotations

from typing import Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.event import Event
from noxlib.engines import revisions
from noxlib.engines.registry import Registry
from noxlib.errors import PlaceError, UsageError
from noxlib.sessions import joining, publishable, reaping
from noxlib.sessions.arguments import DRY_RUN, Option
from noxlib.sessions.context import Context, say
from noxlib.testground import index, names, platforms, publishing, recorded, remote
from noxlib.testground.index import Part
from noxlib.testground.results import Result

EXPECT = Option("--expect", "a platform that has to be among them; may be given again", "PLATFORM", many=True)
DEPTH = 1000  #: commits before the event's one from which unchanged content may be


def run(context: Context) -> None:
    """Carry the step out; words are files of ``.noxlib/platforms``, folders of such, or digests.

    Raises:
        UsageError: there is no CI event, or a word or a file is no record.
        PlaceError: an image is not there, or they do not belong together.
        EngineError: the registry refuses, or a tag that never moves would have to.
    """
    arguments = context.parse(publishable.PUSH, EXPECT, DRY_RUN)
    project = load_project(context.root)
    reaping.sweep(context.root)
    expected = frozenset(map(platforms.parse, arguments["expect"]))
    event = publishable.event(context.session, context.root, push=arguments["push"])
    planned = publishing.tags(event)
    if not planned.identifiers:
        say(f"{context.session}: nothing is joined: {planned.reason}")
        return
    registry = remote.open_registry(remote.image_of(project))
    given = dict(_given(context, arguments.rest))
    if arguments["dry_run"]:
        tags = [names.tag(context.python, identifier) for identifier in planned.identifiers]
        told = {"image": registry.image, "python": context.python, "parts": sorted(given), "tags": tags}
        say(msgspec.json.format(msgspec.json.encode({**told, "reason": planned.reason}), indent=2).decode())
        return
    found = [_part(context, registry, digest, result, event) for digest, result in given.items()]
    _refuse_lacking(found, expected)
    joining.join(context, registry, found, planned, event.commit)


def _given(context: Context, words: tuple[str, ...]) -> list[tuple[str, Optional[Result]]]:
    given = list(recorded.read(context.root, words, context.python))
    if not given:
        raise PlaceError(
            f"no platform of Python {context.python} is recorded in {', '.join(words) or '.noxlib/platforms'}",
            f"nox -s testground_publish-{context.python} -- --platform {platforms.PLATFORMS[-1]}",
            cause="absent",
        )
    # Of one that a file and a word both name the file tells more.
    return sorted(given, key=lambda one: one[1] is not None)


def _part(context: Context, registry: Registry, digest: str, told: Optional[Result], event: Event) -> Part:
    """One platform's image as the registry has it now, which has to be what was recorded."""
    if told is not None and told.image != registry.image:
        raise PlaceError(
            f"{digest} was published to {told.image[:100]!r}, and this project's registry is {registry.image}",
            "give the jobs and this step the same image in [tool.noxlib], or NOXLIB_IMAGE",
        )
    part = index.read(registry, digest, context.python)
    if told is None:
        _check_revision(context, part, event)
        return part
    for what, recorded_as, there in (
        ("platform", told.platform, part.platform),
        ("fingerprint", told.fingerprint, part.labels[index.FINGERPRINT]),
        ("commit", told.commit, event.commit),
    ):
        if recorded_as != there:
            whose = "this event is about" if what == "commit" else "the registry has"
            raise PlaceError(
                f"{digest} was recorded for the {what} {str(recorded_as)[:80]}, and {whose} {str(there)[:80]}",
                "take the files of this very run's jobs",
            )
    return part


def _check_revision(context: Context, part: Part, event: Event) -> None:
    """A digest by hand tells no commit: its label has to, and unchanged content may be of an earlier one."""
    revision, commit = part.labels.get(index.REVISION), str(event.commit)
    if revision != commit and revision not in revisions.ancestors(context.root, commit, DEPTH):
        raise PlaceError(
            f"{part.digest} was built for {str(revision)[:64]}, which is not known to come before {commit}",
            "give the file of its job instead, .noxlib/platforms/*.json, or fetch the whole history (fetch-depth: 0)",
        )


def _refuse_lacking(found: list[Part], expected: frozenset[str]) -> None:
    lacking = sorted(expected - {part.platform for part in found})
    if lacking:
        raise UsageError(
            f"{lacking[0]} is expected, and what was given is for {platforms.told(part.platform for part in found)}",
            "see whether that platform's job has ended well and handed its file on",
        )
