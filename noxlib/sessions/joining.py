"""From the images of single platforms to one index that bears the event's tags, read back and recorded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from noxlib.engines.registry import Registry
from noxlib.records.record import timestamp
from noxlib.sessions import writing
from noxlib.sessions.context import Context, say
from noxlib.testground import index, platforms, publish, publishing, results
from noxlib.testground.index import Part
from noxlib.testground.results import Result


def join(
    context: Context, registry: Registry, found: Sequence[Part], planned: publishing.Tags, commit: Optional[str]
) -> Result:
    """Give the event's tags to the index of some parts; or to the one that was published first.

    Raises:
        PlaceError: they do not belong together.
        EngineError: the registry fails, or what was published first lacks a platform.
    """
    index.check(found)
    made = index.join(found)
    settled, tags = publish.settle(registry, context.python, planned, made, patience=publish.PATIENCE)
    there = index.cover(registry, settled, found)
    if settled.digest != made.digest:
        say(f"noxlib: {registry.image}@{settled.digest} was published first, for {platforms.told(there)}; it is taken")
    result = Result(
        python=context.python,
        image=registry.image,
        digest=settled.digest,
        tags=tags,
        commit=commit,
        platforms=there,
        time=timestamp(datetime.now(timezone.utc)),
    )
    _record(context.root, result)
    say(f"{context.session}: {result.reference} ({platforms.told(there)}) as {', '.join(tags)}")
    return result


def _record(root: Path, result: Result) -> None:
    results.write(root, results.PUBLISHED, result)
    writing.tell_workflow(results.outputs(result), os.environ)
