"""``compose_integration-X`` with a database and a cache, from nothing running to results and down, against compose.

The services' file says when each is asked for its health as most do: every five seconds.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from benchmarks import sampling
from benchmarks.figures import Result, figure, ratios
from benchmarks.projects import text
from benchmarks.sampling import Failed, in_turns
from benchmarks.steps import PYTEST, PYTHON, called, compare, long_project, session
from noxlib.records import store

if TYPE_CHECKING:
    from benchmarks.projects import Project

FILE = """\
services:
  db:
    image: postgres:15
    command: [postgres, -c, fsync=off]
    environment: {POSTGRES_PASSWORD: only-here}
    tmpfs: [/var/lib/postgresql/data]
    healthcheck: {test: [CMD, pg_isready, -q, -h, 127.0.0.1, -U, postgres], interval: 5s, retries: 10EARLY}
  cache:
    image: redis:7
    command: [redis-server, --save, "", --appendonly, "no"]
    tmpfs: [/data]
    healthcheck: {test: [CMD, redis-cli, ping], interval: 5s, retries: 10EARLY}
  test-runner:
    image: ${TESTGROUND:-none}
    environment: {PYTHONPATH: /workspace/src}
    volumes: [".:/workspace"]
    working_dir: /workspace
    depends_on: {db: {condition: service_healthy}, cache: {condition: service_healthy}}
"""
EARLY = ", start_period: 60s, start_interval: 250ms"
STEP = f"compose_integration-{PYTHON}"
COMPOSE = "docker compose -p noxlib-bench -f"
# By somebody who knows start_interval.
BY_HAND = f"""\
set -e
trap '{COMPOSE} early.yml down -v --timeout 0' EXIT
{COMPOSE} early.yml up --wait db cache
{COMPOSE} early.yml run --rm -T test-runner {PYTEST}
"""
UP = ("sh", "-c", f"{COMPOSE} docker-compose.test.yml up --wait db cache")
DOWN = ("sh", "-c", f"{COMPOSE} docker-compose.test.yml down -v --timeout 0")
TESTS, TEST_SECONDS = 50, 0.05
_ACCEPTS = re.compile(r"^(\S+ \S+) UTC \[1\] LOG:  database system is ready to accept connections$", re.MULTILINE)


def run(rounds: int) -> list[Result]:
    """Measure; image, lock and prepared files are there."""
    with long_project(TESTS, TEST_SECONDS) as ours:
        ours.file("docker-compose.test.yml", FILE.replace("EARLY", ""))
        ours.file("early.yml", FILE.replace("EARLY", EARLY))
        session(ours, STEP, "--", "--", "-s")
        image = {"TESTGROUND": text(ours.latest("record.json"), "testground", "image")}
        whole = compare(
            "compose",
            f"{STEP}, {TESTS} tests, from nothing to down, by docker compose up --wait, run, down",
            lambda: session(ours, STEP, "--", "--", "-s"),
            lambda: called(("sh", "-c", BY_HAND), ours.root, image),
            rounds,
        )
        return [whole._replace(limit=1.1), *_ready(ours, image, rounds)]


def _ready(ours: Project, image: dict[str, str], rounds: int) -> list[Result]:
    """How soon services are ready, beside ``up --wait``, and beside the database's own word."""
    lags: list[float] = []

    def noxlib() -> float:
        session(ours, STEP, "--", "--", "-s")
        seconds, own = _waited(ours)
        lags.append(seconds - own)
        return seconds

    def plain() -> float:
        try:
            return sampling.timed(UP, ours.root, image)
        finally:
            sampling.timed(DOWN, ours.root, image)

    values = in_turns({"noxlib": noxlib, "up --wait": plain}, rounds)
    details = {name: figure(found) for name, found in values.items()}
    ratio = figure(ratios(values["noxlib"], values["up --wait"]))
    what = "services ready, by docker compose up --wait of the same file (interval: 5s)"
    own = "services ready after the database itself says that it is"
    return [
        Result("compose ready", what, 1.0, "x", ratio, details),
        Result("compose lag", own, 0.5, "s", figure(lags[1:]), {}),  # the first round warms up
    ]


def _waited(ours: Project) -> tuple[float, float]:
    """Seconds from compose's start until the services were ready, and until the database said so. Raises Failed."""
    folder = ours.newest
    services = store.read_record(folder).services
    (override,) = folder.glob("noxlib-*.yml")  # it is written just before
    said = _ACCEPTS.findall((folder / "logs" / "db.log").read_text(encoding="utf-8"))
    if not said:
        raise Failed("the database did not say that it is ready")
    ready = max(service.ready or 0.0 for service in services)
    return ready, datetime.fromisoformat(f"{said[-1]}+00:00").timestamp() - override.stat().st_mtime
