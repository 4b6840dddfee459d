"""``reproduce``: a test of a record once more, in the very image that the record names, with the same seeds."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib.config import levels, profiles
from noxlib.config.models import Config, SuiteConfig
from noxlib.engines import commits, git
from noxlib.errors import PlaceError, UsageError
from noxlib.records import store
from noxlib.records.record import Record
from noxlib.records.result import text
from noxlib.secret import MASK
from noxlib.sessions import placing, recorded_image, running
from noxlib.sessions.arguments import DRY_RUN, KEEP, Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.placing import Placement
from noxlib.sessions.suites import Suite
from noxlib.sessions.words import split

AT_COMMIT = Option("--at-commit", "take the code of the recorded commit instead of the checkout's")
HASH_SEED = "PYTHONHASHSEED"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NAME = 200  # characters
_SEED_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SEED = re.compile(r"-?[0-9]{1,30}")


class Recorded(msgspec.Struct, frozen=True):
    """What is reproduced: a record, and one of its tests."""

    record: Record
    test: str

    @property
    def digest(self) -> str:
        return self.record.testground.digest or ""


def run(context: Context) -> None:
    """Carry the step out: ``[RUN] [TEST]`` follow the options. Default: the newest failed run, its first failure.

    Raises:
        SuiteFailed: the test fails again.
        NoxlibError: there is no such run, or its image cannot be had.
    """
    arguments = context.parse(AT_COMMIT, DRY_RUN, KEEP)
    words, rest = split(context.session, arguments.rest, 2, "[RUN] [TEST]")
    found = _find(context.root, words)
    _check(found)
    options = [option.name for option in (DRY_RUN, KEEP) if arguments[option.key]]
    posargs = (*options, "--", *seeds(found.record), *rest, found.test)
    inner = msgspec.structs.replace(context, python=found.record.python, posargs=posargs)
    if not arguments["dry_run"]:
        _tell(context, found.record, at_commit=arguments["at_commit"])
    with _code(context.root, found.record, wanted=arguments["at_commit"]) as checkout:

        def place_of(config: Config, inner_arguments: Arguments) -> Placement:
            placement = placing.choose(config, "container")
            assert placement.engine is not None
            if not inner_arguments["dry_run"]:
                recorded_image.ensure(found.record, context.root, placement.engine)
            reason = f"recorded by {found.record.run}"
            return msgspec.structs.replace(placement, reason=reason, testground=found.digest, checkout=checkout)

        running.run_suite(inner, lambda config, _: _suite(config, found.record), options=(), place_of=place_of)


def _find(root: Path, words: tuple[str, ...]) -> Recorded:
    """The record and the test that are meant; a single word with ``::`` is a test of the newest failed run."""
    named = words[:1] if words and "::" not in words[0] else ()
    record = _named(root, named[0]) if named else _newest_failed(root)
    tests = words[len(named) :]
    if len(tests) > 1:
        raise UsageError(f"{tests[0]!r} is a test, and so is {tests[1]!r}", "name a run, then one test")
    test = tests[0] if tests else next((failure.id for failure in record.failures if failure.id), None)
    if test is None:
        raise UsageError(f"no test failed in {record.run}", f"name one: nox -s reproduce -- {record.run} TEST")
    return Recorded(record, test)


def _named(root: Path, word: str) -> Record:
    """By the name of a run of this checkout, or the path of a run's folder."""
    paths = [folder.path for folder in store.runs(root) if folder.name == word]
    path = paths[0] if paths else Path(word)
    if not (path / "record.json").exists():
        raise UsageError(f"there is no record of a run {word!r:.200}", "see .noxlib/runs, or name a run's folder")
    return _plain(store.read_record(path))


def _plain(record: Record) -> Record:
    """A record from elsewhere, whose names are shown: they may hold what a terminal obeys."""
    return msgspec.structs.replace(record, run=text(record.run, _NAME), session=text(record.session, _NAME))


def _newest_failed(root: Path) -> Record:
    for folder in store.runs(root):
        if (folder.path / "record.json").exists():
            record = _plain(store.read_record(folder.path))
            if record.outcome != "passed" and record.failures and record.performance is None:
                return record
    raise UsageError("no run of this checkout has a test that failed", "name a run: nox -s reproduce -- RUN TEST")


def _check(found: Recorded) -> None:
    """Records may come from elsewhere: what they name is checked before it is used."""
    record = found.record
    if found.test.startswith("-") or MASK in found.test or "\0" in found.test:
        raise UsageError(f"{found.test!r:.200} is no test that can be named", "name one: nox -s reproduce -- RUN TEST")
    if record.testground.digest is None:
        place = record.place.name if record.place else "no place"
        raise PlaceError(
            f"{record.run} ran in {place} and recorded no image, so there is none to run it in again",
            f"run it anew: nox -s {record.session} -- {found.test}",
        )
    if not _DIGEST.fullmatch(record.testground.digest):
        raise UsageError(f"{record.run} names no digest: {record.testground.digest!r:.100}", "name another run")


def seeds(record: Record) -> list[str]:
    """The options that set the recorded seeds again: ``randomly_seed`` came from ``--randomly-seed``."""
    named = {name: value for name, value in record.seeds.items() if name != HASH_SEED}
    return [
        f"--{name.replace('_', '-')}={value}"
        for name, value in named.items()
        if _SEED_NAME.fullmatch(name) and _SEED.fullmatch(value)
    ]


def _suite(config: Config, record: Record) -> Suite:
    """The suite as it is configured, but for its selection: the test is named."""
    own = getattr(config, record.suite, None)
    kept = own if isinstance(own, SuiteConfig) else SuiteConfig()
    seed = record.seeds.get(HASH_SEED, "")
    return Suite(
        name=record.suite,
        select="",
        config=msgspec.structs.replace(kept, paths=(), select="", coverage=False),
        env={HASH_SEED: seed} if _SEED.fullmatch(seed) else {},
        profile=_profile(config, record),
    )


def _profile(config: Config, record: Record) -> dict[str, Any]:
    """The environment profile of then, with the values that it has now."""
    if record.profile is None:
        return {}
    found = msgspec.to_builtins(profiles.choose(config, record.profile.name))
    return {**found, "level": record.profile.level, "test_timeout": levels.TEST_TIMEOUT}


@contextlib.contextmanager
def _code(root: Path, record: Record, *, wanted: bool) -> Iterator[Optional[Path]]:
    if not wanted:
        yield None
        return
    if record.source.commit is None:
        raise UsageError(f"{record.run} recorded no commit", "leave --at-commit out")
    with commits.checkout(root, commits.resolve(root, record.source.commit)) as folder:
        yield folder


def _tell(context: Context, record: Record, *, at_commit: bool) -> None:
    """What is the same as in the record, and what is not."""
    now = git.head(context.root)
    commit = record.source.commit
    if not at_commit and commit and now and commit != now.commit:
        say(f"{context.session}: {record.run} was of {commit[:12]}, here is {now.commit[:12]} (or: --at-commit)")
    if record.source.dirty:
        say(f"{context.session}: the code had uncommitted changes then, which no record holds")
    if not _SEED.fullmatch(record.seeds.get(HASH_SEED, "")):
        say(f"{context.session}: no {HASH_SEED} was set then, so the order of sets may differ")
    if record.services:
        names = ", ".join(text(service.name, 100) for service in record.services)
        say(f"{context.session}: it had services beside it ({names}), which are not started")
    if record.place and record.place.name != "container":
        say(f"{context.session}: it ran in the place {record.place.name}, now in a container of the same image")
