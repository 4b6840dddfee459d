"""Several tasks of one run, each with a record of its own, as one record."""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, Optional

import msgspec

from noxlib.records import junit, notices
from noxlib.records.record import Counts, ProfileSection, Record, TaskSection
from noxlib.records.report import Run
from noxlib.records.result import is_plain_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noxlib.places.scheduler import Result
    from noxlib.plan import Outcome
    from noxlib.records.result import Shard

#: The first of these that any task has is the run's: what hides most of the tests comes first. A part without tests
#: beside others that passed is no failure: there may be more parts than tests.
SEVERITY: tuple[Outcome, ...] = ("error", "timeout", "cancelled", "failed", "passed", "no-tests")
_CHUNK = 1 << 20


def merge(whole: Record, records: Sequence[Record], tasks: Sequence[TaskSection]) -> Record:
    """The record of a run from those of its tasks.

    Args:
        whole: What is known of the run itself.
        records: One for each task.
        tasks: The same tasks as their scheduler knew them.
    """
    outcome = next(word for word in SEVERITY if any(record.outcome == word for record in records))
    ended_so = [index for index, record in enumerate(records) if record.outcome == outcome]
    at = next((index for index in ended_so if records[index].cause not in (None, "empty-shard")), ended_so[0])
    first = records[at]
    where = f"task {tasks[at].index}" + (f" on {tasks[at].node}" if tasks[at].node else "")
    message = f"{where}: {first.message}" if first.message and len(records) > 1 else first.message
    ran = [record for record in records if record.interpreter.version] or [first]
    return msgspec.structs.replace(
        whole,
        outcome=outcome,
        cause=first.cause if outcome != "passed" else None,
        message=message if outcome != "passed" else None,
        exit_code=first.exit_code,
        counts=total([record.counts for record in records]),
        failures=tuple(failure for record in records for failure in record.failures),
        interpreter=ran[0].interpreter,
        seeds=ran[0].seeds,
        imports=ran[0].imports,
        argv=ran[0].argv,
        profile=_profile([record.profile for record in ran]),
        leaks=tuple(leak for record in records for leak in record.leaks),
        notices=notices.joined([record.notices for record in records]),
        timings={"run": max(task.seconds or 0.0 for task in tasks), **whole.timings},
        tasks=tuple(tasks),
    )


def agreed(record: Record, parts: Sequence[Optional[Shard]]) -> Record:
    """The record, unless its tasks were cut from different collections: then some tests may have run nowhere.

    Args:
        record: Of the run, merged.
        parts: What each task says that it was cut from.
    """
    if len({(part.total, part.digest) for part in parts if part is not None}) <= 1:
        return record
    counts = ", ".join(str(part.total) for part in parts if part is not None)
    message = f"the tasks collected different tests ({counts} of them), so that some may have run nowhere"
    if record.outcome != "passed":
        return msgspec.structs.replace(record, message="; ".join(filter(None, (record.message, message))))
    return msgspec.structs.replace(record, outcome="error", cause="shards", message=message)


def total(counts: Sequence[Counts]) -> Counts:
    """The sum of each count; of what was deselected the least, since each task leaves out what the others run."""
    names = Counts.__struct_fields__
    sums = {name: sum(getattr(one, name) for one in counts) for name in names}
    return Counts(**{**sums, "deselected": min(one.deselected for one in counts)})


def _profile(profiles: Sequence[Optional[ProfileSection]]) -> Optional[ProfileSection]:
    """The profile of all tasks, with what it skipped in any of them."""
    known = [profile for profile in profiles if profile is not None]
    skipped: Counter[str] = Counter()
    for profile in known:
        skipped.update(profile.skipped)
    return msgspec.structs.replace(known[0], skipped=dict(skipped)) if known else None


def section(index: int, task_id: str, result: Result, record: Record) -> TaskSection:
    """One task, as its scheduler knew it and as its tests ended."""
    return TaskSection(
        index=index,
        id=task_id,
        node=result.node,
        state=result.word,
        outcome=record.outcome,
        cause=record.cause,
        exit_code=record.exit_code,
        counts=record.counts,
        seconds=result.seconds,
        restarts=result.restarts,
    )


def gather(folder: Path, records: Sequence[Record]) -> None:
    """Bring JUnit, report and coverage of ``tasks/N`` to where readers of a run look."""
    places = [folder / "tasks" / str(index) for index in range(len(records))]
    runs = [Run(place, record.session, record) for place, record in zip(places, records)]
    (folder / "junit.xml").write_bytes(junit.merge(runs))
    with (folder / "report.jsonl").open("wb") as whole:
        for part in (place / "report.jsonl" for place in places):
            if is_plain_file(part):
                _append(part, whole)
    for index, place in enumerate(places):
        for data in sorted((place / "coverage").glob(".coverage*")):
            (folder / "coverage").mkdir(exist_ok=True)
            data.replace(folder / "coverage" / f"{data.name}.task{index}")


def _append(report: Path, whole: IO[bytes]) -> None:
    last = b"\n"
    with report.open("rb") as lines:
        while chunk := lines.read(_CHUNK):
            whole.write(chunk)
            last = chunk[-1:]
    if last != b"\n":  # of a task that was killed in the middle of a line
        whole.write(b"\n")
