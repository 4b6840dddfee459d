"""What Slurm's commands print, as data: pure functions over text that sites, users and versions vary.

Ids are ``123`` (a job), ``123_4`` (one task of an array), ``123_[5-9,12%2]`` (its pending rest), ``123+0`` (part of
a heterogeneous job), each perhaps followed by a step (``.batch``). Source: squeue(1), sacct(1), scontrol(1).
"""

from __future__ import annotations

import re
from typing import Optional

import msgspec

from noxlib.errors import EngineError

WAITING = frozenset(
    {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD", "SUSPENDED"}
)
RUNNING = frozenset({"RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"})
SACCT = "JobID,State,ExitCode,NodeList,ElapsedRaw,Submit"
SQUEUE = "%i|%T|%N|%r|%V"
_LIMIT = 100_000  #: tasks of an array that are believed; MaxArraySize is 1001 by default

_ID = re.compile(r"(\d+)(?:;([\w.-]+))?")
_SUBMITTED = re.compile(r"Submitted batch job (\d+)(?: on cluster ([\w.-]+))?")
_TASK = re.compile(r"(\d+)(?:\+\d+)?(?:_(?:(\d+)|\[([\d,:%-]+)\]))?")
_PAIR = re.compile(r"(\w+)=(\S*)")


class Task(msgspec.Struct, frozen=True):
    """One task of a job as Slurm tells of it. ``index`` is None for a job that is no array."""

    index: Optional[int]
    state: str
    code: Optional[int] = None
    signal: int = 0
    node: str = ""
    seconds: Optional[float] = None
    reason: str = ""
    restarts: int = 0

    @property
    def ended(self) -> bool:
        return self.state not in WAITING and self.state not in RUNNING


def job_id(text: str) -> tuple[str, str]:
    """Id and cluster (or ``""``) from what sbatch printed, chatter of a site's wrapper around it or not.

    Raises:
        EngineError: There is no id in it.
    """
    lines = [line.strip() for line in text.splitlines()]
    plain = [found for line in lines if (found := _ID.fullmatch(line))]
    told = [found for line in lines if (found := _SUBMITTED.search(line))]
    for found in (*told[-1:], *plain[-1:]):
        return found.group(1), found.group(2) or ""
    last = next((line for line in reversed(lines) if line), "nothing")
    raise EngineError(f"sbatch gave no job id; it said: {last[:200]}", "run sbatch by hand on that host to see why")


def task_ids(text: str) -> tuple[str, tuple[Optional[int], ...]]:
    """The job and the indices that an id names; the index is None for a job that is no array.

    Raises:
        ValueError: It is no id.

    >>> task_ids("123_[5-7,9%2]")
    ('123', (5, 6, 7, 9))
    """
    found = _TASK.fullmatch(text.partition(".")[0])
    if found is None:
        raise ValueError(f"{text!r} is no id of a job")
    job, one, several = found.groups()
    if several is not None:
        return job, tuple(_indices(several.partition("%")[0]))
    return job, (None if one is None else int(one),)


def _indices(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        bounds, _, step = part.partition(":")
        first, _, last = bounds.partition("-")
        span = range(int(first), int(last or first) + 1, int(step or 1))
        if len(span) + len(found) > _LIMIT:
            raise ValueError(f"{text[:100]!r} names more tasks than an array has")
        found.extend(span)
    return found


def state(text: str) -> str:
    """``CANCELLED by 1000`` is CANCELLED; a word cut short by a narrow column, ``CANCELLED+``, is what it begins."""
    return text.split(maxsplit=1)[0].rstrip("+").upper() if text.split() else ""


def exit_code(text: str) -> tuple[Optional[int], int]:
    """``3:0`` is code 3, signal 0; what is no such pair is no code."""
    found = re.fullmatch(r"(\d+):(\d+)", text.strip())
    return (int(found.group(1)), int(found.group(2))) if found else (None, 0)


def of_sacct(text: str, job: str, since: float = 0.0) -> dict[Optional[int], Task]:
    """Each task of a job from ``sacct -X -P -n --duplicates -o SACCT``, times in seconds since the epoch.

    A task that ran more than once has a row each time, the last one last; rows submitted before ``since`` belong to
    an older job whose id was given out again.
    """
    found: dict[Optional[int], Task] = {}
    for row in _rows(text, 6):
        if not _is_ours(row[5], since) or "." in row[0]:
            continue
        code, signal = exit_code(row[2])
        for index in _of_job(row[0], job):
            restarts = found[index].restarts + 1 if index in found else 0
            node = "" if row[3] == "None assigned" else row[3]
            found[index] = Task(index, state(row[1]), code, signal, node, _number(row[4]), restarts=restarts)
    return found


def of_squeue(text: str, job: str, since: float = 0.0) -> dict[Optional[int], Task]:
    """Each task of a job from ``squeue -h -o SQUEUE``; ``since`` is as of ``of_sacct``."""
    return {
        index: Task(index, state(row[1]), node=row[2], reason=row[3])
        for row in _rows(text, 5)
        for index in _of_job(row[0], job)
        if _is_ours(row[4], since)
    }


def of_scontrol(text: str, job: str, since: float = 0.0) -> dict[Optional[int], Task]:
    """Each task of a job from ``scontrol -o show job``; a pending rest of an array is one line of them all.

    ``since`` is as of ``of_sacct``.
    """
    found: dict[Optional[int], Task] = {}
    for line in text.splitlines():
        pairs = dict(_PAIR.findall(line))
        if "JobState" not in pairs or job not in (pairs.get("ArrayJobId"), pairs.get("JobId")):
            continue
        if not _is_ours(pairs.get("SubmitTime", ""), since):
            continue
        array = pairs.get("ArrayTaskId")
        code, signal = exit_code(pairs.get("ExitCode", ""))
        one = Task(
            index=None,
            state=state(pairs["JobState"]),
            code=code,
            signal=signal,
            node="" if pairs.get("NodeList") == "(null)" else pairs.get("NodeList", ""),
            seconds=_duration(pairs.get("RunTime", "")),
            reason=pairs.get("Reason", ""),
            restarts=int(_number(pairs.get("Restarts", "")) or 0),
        )
        for index in _safe(f"{job}_[{array}]")[1] if array else (None,):
            found[index] = msgspec.structs.replace(one, index=index)
    return found


def _is_ours(submitted: str, since: float) -> bool:
    """Whether a job is no older than ours: ids are given out again. A time that is no number tells nothing."""
    seconds = _number(submitted)
    return seconds is None or seconds + 1 >= since


def _of_job(text: str, job: str) -> tuple[Optional[int], ...]:
    found, indices = _safe(text)
    return indices if found == job else ()


def _safe(text: str) -> tuple[str, tuple[Optional[int], ...]]:
    """A line that makes no sense tells nothing."""
    try:
        return task_ids(text)
    except ValueError:
        return "", ()


def _rows(text: str, columns: int) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    return [row[:columns] for row in rows if len(row) >= columns]


def _number(text: str) -> Optional[float]:
    return float(text) if re.fullmatch(r"\d{1,15}", text) else None


def _duration(text: str) -> Optional[float]:
    """``1-02:03:04`` in seconds."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
