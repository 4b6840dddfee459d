"""A warm ``compose_integration-X`` with one service, against docker compose: up --wait, run, down."""

from __future__ import annotations

from benchmarks.figures import Result
from benchmarks.projects import text
from benchmarks.steps import PYTEST, PYTHON, called, compare, long_project, session

FILE = """\
services:
  redis:
    image: redis:7
    command: [redis-server, --save, "", --appendonly, "no"]
    tmpfs: [/data]
    healthcheck: {test: [CMD, redis-cli, ping], interval: 5s, start_period: 60s, start_interval: 200ms}
  test-runner:
    image: ${TESTGROUND:-none}
    environment: {PYTHONPATH: /workspace/src}
    volumes: [".:/workspace"]
    working_dir: /workspace
    depends_on: {redis: {condition: service_healthy}}
"""
BY_HAND = f"""\
set -e
trap 'docker compose -f docker-compose.test.yml -p noxlib-bench down -v --timeout 2' EXIT
docker compose -f docker-compose.test.yml -p noxlib-bench up --wait redis
docker compose -f docker-compose.test.yml -p noxlib-bench run --rm -T test-runner {PYTEST}
"""


def run(rounds: int) -> list[Result]:
    """Measure; image, lock and prepared files are there."""
    with long_project() as ours:
        ours.file("docker-compose.test.yml", FILE)
        step = f"compose_integration-{PYTHON}"
        session(ours, step, "--", "--", "-s")
        image = {"TESTGROUND": text(ours.latest("record.json"), "testground", "image")}
        return [
            compare(
                "compose",
                f"warm {step} by docker compose up --wait, run, down",
                lambda: session(ours, step, "--", "--", "-s"),
                lambda: called(("sh", "-c", BY_HAND), ours.root, image),
                rounds,
            )
        ]
