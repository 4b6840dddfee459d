"""``hpc_submit``: a suite as an array of tasks on a Slurm cluster; it goes on there without us."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Optional, cast

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.engines import git
from noxlib.engines.docker import Docker
from noxlib.engines.slurm import Runner
from noxlib.engines.slurm import Slurm as Engine
from noxlib.errors import NoxlibError, UsageError
from noxlib.places import box, slurm_job, trust
from noxlib.places.limits import confess
from noxlib.places.scheduler import HostTask
from noxlib.places.slurm import Slurm
from noxlib.places.slurm_job import Layout, Nodes, Way
from noxlib.plan import Plan
from noxlib.records import collect, store
from noxlib.records.record import timestamp
from noxlib.records.store import RunFolder
from noxlib.secret import known_secrets
from noxlib.sessions import hpc, making, placing, planning, reaping, shard_tasks, slurm_ground, suites
from noxlib.sessions.arguments import DRY_RUN, NO_BUILD, PYTHON, Arguments, Option, python_of
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Ground
from noxlib.sessions.placing import Placement
from noxlib.sessions.running import COVERAGE
from noxlib.sessions.suites import ENV_CONFIG, LEVEL, Suite
from noxlib.testground import sif, sif_found
from noxlib.testground.image import Testground

SHARDS = Option("--shards", "parts that the suite is cut into, each a task of the array", "N")
SUITE = Option("--suite", "which suite", "SUITE", ("unit", "integration"))
MOST = 1000  #: shards; MaxArraySize of a cluster is 1001 by default


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    arguments = context.parse(hpc.HOST, SHARDS, PYTHON, SUITE, LEVEL, ENV_CONFIG, DRY_RUN, NO_BUILD, COVERAGE)
    project = load_project(context.root)
    python = python_of(context.session, project.pythons, arguments["python"])
    context = msgspec.structs.replace(context, python=python)
    shards = _shards(arguments["shards"] or str(project.config.hpc.shards))
    host, reason = hpc.host_of(project.config, arguments)
    suite = _suite(context, project.config, arguments)
    placement = Placement("slurm", reason, engine=placing.engine(), target=host)
    if arguments["dry_run"]:
        ground = making.known(context, project, placement)
        _show(planning.plan(context, project, suite, arguments, ground), project.config, shards)
        return
    reaping.sweep(context.root)
    _Submit(context, project, suite, arguments, placement, shards).carry_out()


def _shards(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise UsageError(f"{text!r} is no number of shards", f"take a whole number from 1 to {MOST}")
    return int(text)


def _suite(context: Context, config: Config, arguments: Arguments) -> Suite:
    found = suites.unit(config, arguments)
    if arguments["suite"] == "integration":
        found = suites.integration(context.root, config, arguments)
    confess("slurm", found.limits, kept=("memory", "cpus", "disk"))
    return found


def _show(plan: Plan, config: Config, shards: int) -> None:
    """The plan as JSON: that of one task, how many there are, and what sbatch is told."""
    limits = msgspec.structs.replace(plan.limits, timeout=plan.limits.timeout + planning.PLACE_GRACE)
    way = _way(config, "FOLDER", "RUN", Nodes("", "", Path()))
    words = slurm_job.words(way, (HostTask((), limits=limits),) * shards)
    found = {**msgspec.to_builtins(plan), "tasks": shards, "sbatch": words}
    say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def _way(config: Config, folder: str, run: str, nodes: Nodes) -> Way:
    return Way(nodes, folder, run, config.hpc.time or "", (*hpc.options(config), *config.hpc.sbatch))


class _Submit:
    """One submission, from the run's folder to the job."""

    def __init__(
        self, context: Context, project: Project, suite: Suite, arguments: Arguments, placement: Placement, shards: int
    ) -> None:
        self.context = context
        self.project = project
        self.suite = suite
        self.arguments = arguments
        self.placement = placement
        self.shards = shards
        self.host = placement.target or ""
        self.began = time.monotonic()

    def carry_out(self) -> None:
        """Submit; where that fails a record is left."""
        context = self.context
        folder = store.new_run(context.root, context.session)
        source = git.ask_head(context.root)
        story = collect.Story(folder, context.session, self.suite.name, context.python, self.project.name)
        try:
            submission = self._submit(folder, story, source)
        except BaseException as error:
            store.write_record(folder, story.broken(error, source(), {"submit": time.monotonic() - self.began}))
            raise
        job = submission.job
        tasks = "1 task" if self.shards == 1 else f"{self.shards} tasks"
        say(f"{context.step}: job {job.id} on {self.host}, {tasks} ({folder.shown})")
        say("  nox -s hpc_status shows how far it is; nox -s hpc_fetch -- --wait gets its results")

    def _submit(
        self, folder: RunFolder, story: collect.Story, source: Callable[[], Optional[git.Head]]
    ) -> hpc.Submission:
        with hpc.reached(self.host) as runner:  # first: a wrong host or key is told before anything is built
            user, home = hpc.account(runner, self.project.config)
            made, ground = slurm_ground.made(
                self.context, self.project, self.placement, "no-build" if self.arguments["no_build"] else "all"
            )
            plan = self._plan(ground)
            story.planned(plan, ground.section)
            store.write_plan(folder, plan)
            docker = cast("Docker", self.placement.engine)
            image = docker.image(made.testground.id)
            path = self._sif(docker, made.testground, runner, home)
            nodes = Nodes(
                path,
                made.testground.interpreter,
                self.project.root,
                made.site,
                made.tree,
                _environment(user, image.environment if image else {}),
            )
            way = _way(self.project.config, f"{home}/runs/{folder.name}", folder.name, nodes)
            return self._send(runner, way, folder, plan, hpc.Known(ground.section, collect.source_section(source())))

    def _sif(self, docker: Docker, testground: Testground, runner: Runner, home: str) -> str:
        """Its path on the cluster."""
        options = hpc.options(self.project.config)
        return sif.ensure(
            docker, testground.id, Engine(runner), home, options, lambda: sif_found.find(self.project, testground)
        )

    def _plan(self, ground: Ground) -> Plan:
        return planning.plan(self.context, self.project, self.suite, self.arguments, ground)

    def _send(self, runner: Runner, way: Way, folder: RunFolder, plan: Plan, known: hpc.Known) -> hpc.Submission:
        """From here on something is on the cluster: noted before it is there, and again for what outlives us."""
        entry = hpc.note(self.host, folder, way.folder)
        slurm = Slurm(runner, way=way)
        if self.shards > 1:
            shard_tasks.write_durations(folder, plan.suite, plan.python)
        layout = Layout(way.nodes.python)
        tasks = tuple(shard_tasks.task(folder, plan, layout, index, self.shards) for index in range(self.shards))
        try:
            slurm.submit(tasks)
        except BaseException:
            with contextlib.suppress(NoxlibError):  # what ended it is told; the ledger keeps this for the next start
                hpc.remove(entry)
                hpc.strike_one(entry)
            raise
        assert slurm.job is not None
        submission = hpc.Submission(
            folder.name,
            self.host,
            self.context.python,
            slurm.job,
            timestamp(datetime.now(timezone.utc)),
            known,
            timings={"submit": round(time.monotonic() - self.began, 4)},
        )
        hpc.write(folder, submission, known_secrets({**os.environ, **plan.environment}))
        hpc.note(self.host, folder, way.folder, job=slurm.job.id, expires=time.time() + hpc.KEPT)
        hpc.strike_one(entry)
        return submission


def _environment(user: str, image: dict[str, str]) -> dict[str, str]:
    """The image's own variables and ours, for the user that we are there."""
    return {**image, **box.environment(image, os.getuid()), **trust.variables(), "USER": user, "LOGNAME": user}
