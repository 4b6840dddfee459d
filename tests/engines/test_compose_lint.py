"""``compose_lint``: each mistake of a compose file with its line, and an override that compose itself merges."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxlib.config import scaffold

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Nox

pytestmark = [pytest.mark.docker, pytest.mark.compose]

FILE = "docker-compose.test.yml"
OWN = Path(__file__).parents[2] / FILE
MISTAKES = {  # line: what is said of it
    9: "named has the fixed container name 'cache'",
    16: "published takes the port 5433 of this machine",
    23: "no-such.conf, which does not exist",
    28: "mock listens at 8000 by MOCKSERVER_SERVER_PORT, and publishes its port 1080",
    32: "the image redis:7 of asks has no curl, which its healthcheck starts",
    37: "the image python:3.10-slim of test-runner has no pytset, which its command starts",
    39: "test-runner looks for mock at its port 1080 by ADMIN_URL; mock listens at 8000",
    42: "test-runner starts without waiting until named is healthy",
    43: "test-runner depends on silent, which has no healthcheck",
    47: "Dockerfile: runtime installs redis 5.2.0, test 5.0.1",
    50: "the volume shared is made outside",
    55: "the network inner has the fixed name 'fixed'",
}
BY_AUTHOR = {23, 28, 37, 47}  #: lines that only the file's author can correct


def lines(output: str) -> dict[int, str]:
    """What is told of which line of the file."""
    return {int(number): what for number, what in re.findall(rf"^{FILE}:(\d+): (.*)$", output, re.MULTILINE)}


@pytest.fixture
def mistaken(adopt: Callable[..., Nox]) -> Nox:
    return adopt("compose_mistakes")


def test_each_mistake_is_told_with_its_line_and_mended_by_an_override(mistaken: Nox) -> None:
    file = mistaken.folder / FILE
    before = file.read_bytes()
    ended = mistaken("-s", "compose_lint")
    assert ended.code != 0
    told = lines(ended.output)
    assert set(told) == set(MISTAKES), ended.output
    assert [line for line, what in MISTAKES.items() if what not in told[line]] == []
    shown = mistaken("-s", "compose_lint", "--", "--fix", "--dry-run")
    assert "container_name: !reset" in shown.output
    assert [path.name for path in mistaken.folder.glob("*.yml")] == [FILE]
    fixed = mistaken("-s", "compose_lint", "--", "--fix")
    assert set(lines(fixed.output)) == BY_AUTHOR, fixed.output
    assert (file.read_bytes(), fixed.code) == (before, ended.code)


def test_once_its_author_has_corrected_the_rest_it_is_green_and_that_is_what_the_tests_get(mistaken: Nox) -> None:
    mistaken("-s", "compose_lint", "--", "--fix")
    file = mistaken.folder / FILE
    corrected = file.read_text().replace("pytset", "python").replace('["1080"]', '["8000"]')
    file.write_text(corrected.replace('      - "./no-such.conf:/etc/redis.conf:ro"\n', ""))
    dockerfile = mistaken.folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("3.12", "3.10").replace("5.2.0", "5.0.1"))
    ended = mistaken("-s", "compose_lint")
    assert ended.code == 0, ended.output
    assert f"no mistakes in {FILE} with docker-compose.test.override.yml" in ended.output
    dry = mistaken("-s", "compose_integration-3.10", "--", "--dry-run")
    assert lines(dry.output) == {}, dry.output


def test_a_run_says_what_it_will_stumble_over_before_it_starts_anything(mistaken: Nox) -> None:
    file = mistaken.folder / FILE
    file.write_text(file.read_text().replace("./no-such.conf", "./pyproject.toml"))
    ended = mistaken("-s", "compose_integration-3.10", "--", "--dry-run")
    assert f"noxlib: {FILE}:9: named has the fixed container name 'cache'" in ended.output


def test_an_override_of_somebody_else_is_left_alone(mistaken: Nox) -> None:
    override = mistaken.folder / "docker-compose.test.override.yml"
    override.write_text("services: {named: {image: 'redis:7'}}\n")
    ended = mistaken("-s", "compose_lint", "--", "--fix")
    assert "docker-compose.test.override.yml is there already, and is not of this step" in ended.output
    assert override.read_text() == "services: {named: {image: 'redis:7'}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services: [", "docker-compose.test.yml: "),
        ("services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}", "cycle"),
        (None, "there is no file docker-compose.test.yml"),
    ],
)
def test_what_compose_refuses_is_two_lines(mistaken: Nox, text: str | None, said: str) -> None:
    file = mistaken.folder / FILE
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    ended = mistaken("-s", "compose_lint")
    assert ended.code != 0
    assert said in ended.output
    assert "Traceback" not in ended.output


def test_our_own_file_is_without_mistakes(mistaken: Nox) -> None:
    shutil.copy(OWN, mistaken.folder)
    shutil.copytree(OWN.parent / "tests" / "mocks", mistaken.folder / "tests" / "mocks")
    ended = mistaken("-s", "compose_lint")
    assert ended.code == 0, ended.output


def test_the_file_that_init_writes_is_without_mistakes(mistaken: Nox) -> None:
    (mistaken.folder / FILE).unlink()
    assert scaffold.write_compose(mistaken.folder).what == "written"
    ended = mistaken("-s", "compose_lint")
    assert ended.code == 0, ended.output
