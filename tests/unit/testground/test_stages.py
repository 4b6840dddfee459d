"""Stages of a Dockerfile compared: what is tested should be what is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.testground import stages

ROOT = Path(__file__).parents[3]
GOOD = """
ARG PYTHON_VERSION=3.12
FROM python:${PYTHON_VERSION}-slim AS base
FROM base AS Builder
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen
FROM builder AS test
RUN pip install pytest==8.2
FROM base AS runtime
COPY --from=builder /opt/venv /opt/venv
"""


def differences(text: str, **arguments: str) -> tuple[str, ...]:
    return stages.differences(text, arguments)


def test_one_base_and_one_lock_are_no_difference() -> None:
    assert differences(GOOD) == ()
    assert stages.read(GOOD, {})["runtime"].locks == {"uv.lock"}


def test_another_base_is_told_with_its_arguments_filled_in() -> None:
    text = GOOD.replace("FROM base AS runtime", "FROM debian:${RELEASE:-bookworm} AS runtime")
    assert differences(text) == ("runtime is based on debian:bookworm, test on python:3.12-slim",)
    assert differences(text, PYTHON_VERSION="3.10") == (
        "runtime is based on debian:bookworm, test on python:3.10-slim",
    )
    assert differences(GOOD.replace("FROM base AS runtime", "FROM scratch AS runtime")) == (
        "runtime is based on scratch, test on python:3.12-slim",
    )


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "requirements/prod.txt", "pylock.py312.toml", "deploy/constraints-3.12.txt"]
)
def test_a_lock_that_only_the_deployment_has_is_told(lock: str) -> None:
    text = f"{GOOD}COPY {lock} ./\nRUN pip install -r {lock}\n"
    assert differences(text) == (f"runtime has its dependencies from {lock}, test has not",)


def test_a_lock_that_only_the_tests_have_is_theirs() -> None:
    assert differences(GOOD.replace("RUN pip install pytest==8.2", "COPY requirements-test.txt ./")) == ()


def test_what_is_copied_whole_may_hold_any_lock() -> None:
    copied = GOOD.replace("RUN pip install pytest==8.2", "COPY . /code")
    assert differences(f"{copied}COPY requirements.txt ./\n") == ()


def test_two_versions_of_one_package_are_told() -> None:
    text = f'{GOOD}RUN pip install "fastapi[all]==0.110.0" pytest==8.1 uvicorn==0.30\n'
    assert differences(text) == ("runtime installs pytest 8.1, test 8.2",)


@pytest.mark.parametrize("text", ["", "FROM a", "FROM a AS test", "FROM a AS runtime\nFROM b AS other", "RUN x"])
def test_where_one_of_the_two_is_missing_there_is_nothing_to_compare(text: str) -> None:
    assert differences(text) == ()


def test_other_names_of_the_deployment_are_known() -> None:
    assert differences("FROM a AS tests\nFROM b AS production\n") == ("production is based on b, tests on a",)


@pytest.mark.parametrize("file", ["Dockerfile.test", "examples/ingester/Dockerfile.test"])
def test_our_own_are_without_differences(file: str) -> None:
    text = (ROOT / file).read_text()
    assert {"builder", "test", "runtime"} <= set(stages.read(text, {}))
    assert differences(text) == ()
