"""What buildx said, told as a failure of a build: the line that counts, the cause, what to do."""

from __future__ import annotations

from pathlib import Path

from noxlib.engines import buildfailure, index
from noxlib.errors import BuildError, EngineError

FAILED = """#5 [test 2/2] RUN make thing
#5 0.211 making
#5 0.300 thing.c:3: error: no
#5 ERROR: process "/bin/sh -c make thing" did not complete successfully: exit code: 2
------
 > [test 2/2] RUN make thing:
0.211 making
0.300 thing.c:3: error: no
------
Dockerfile.test:7
--------------------
   6 |     COPY a b
   7 | >>> RUN make thing
--------------------
ERROR: failed to solve: process "/bin/sh -c make thing" did not complete successfully: exit code: 2
"""


def test_the_builders_own_line_and_output_are_shown() -> None:
    error = buildfailure.failure(FAILED.splitlines(), "Dockerfile.test", 1, Path("/log"))
    assert isinstance(error, BuildError)
    assert error.what.startswith("Dockerfile.test:7 failed")
    assert ">>> RUN make thing" in error.what
    assert "thing.c:3: error: no" in error.what
    assert "/log" in error.todo


UNPARSED = """Dockerfile.test:2
--------------------
   2 | >>> RUNN x
--------------------
ERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: RUNN
"""


def test_a_dockerfile_that_cannot_be_parsed_is_shown_by_its_line() -> None:
    error = buildfailure.failure(UNPARSED.splitlines(), "Dockerfile.test", 1, Path("/log"))
    assert ">>> RUNN x" in error.what
    assert "unknown instruction: RUNN" in error.what


def test_a_rate_limit_is_explained_as_such() -> None:
    said = "error from registry: toomanyrequests: You have reached your pull rate limit."
    error = buildfailure.registry_failure("python:3.10-slim", said)
    assert error.cause == "rate-limit"
    assert "429" in error.what
    assert "mirrors" in error.todo


def test_a_base_that_cannot_be_pulled_is_the_registrys_fault() -> None:
    line = "ERROR: a/b: failed to resolve source metadata for docker.io/a/b:latest: dial tcp: no such host"
    error = buildfailure.failure([line], "Dockerfile.test", 1, Path("/log"))
    assert isinstance(error, EngineError)
    assert "docker.io/a/b:latest" in error.what


def test_a_full_disk_is_told_apart() -> None:
    error = buildfailure.failure(["x", "ERROR: write /y: no space left on device"], "Dockerfile.test", 1, Path("/log"))
    assert error.cause == "disk-full"


def test_a_builder_that_says_nothing_is_no_empty_error() -> None:
    assert "ended with 7" in buildfailure.failure([], "Dockerfile.test", 7, Path("/log")).what


def test_pip_gets_uvs_indexes_without_their_names() -> None:
    assert index.for_pip({"UV_INDEX": "one=https://x/ https://y/?a=b"}) == {
        "PIP_EXTRA_INDEX_URL": "https://x/ https://y/?a=b"
    }


def test_of_noxlibs_own_dockerfile_only_the_output_is_shown() -> None:
    text = FAILED.replace("Dockerfile.test", buildfailure.TEMPLATE)
    error = buildfailure.failure(text.splitlines(), buildfailure.TEMPLATE, 1, Path("/log"))
    assert "(exit code: 2)" in error.what
    assert "thing.c:3: error: no" in error.what
    assert ">>>" not in error.what
    assert buildfailure.TEMPLATE not in error.what


def test_an_index_that_a_build_cannot_reach_is_no_missing_header() -> None:
    text = """------
 > [builder 4/5] RUN uv pip install:
44.30 error: Failed to download `fonttools==4.53.1`
44.30   cause: error sending request for url (https://index.example.org/fonttools-4.53.1.whl)
44.30   cause: operation timed out
------
Dockerfile.noxlib:25
ERROR: failed to solve: process "/bin/sh -c uv" did not complete successfully: exit code: 2"""
    error = buildfailure.failure(text.splitlines(), buildfailure.TEMPLATE, 1, Path("/log"))
    assert isinstance(error, EngineError)  # which is tried once more
    assert error.cause == "unreachable"
    assert "index cannot be reached" in error.what
    assert "operation timed out" in error.what
    assert "apt" not in error.todo


def test_pip_tells_an_index_that_cannot_be_reached_in_its_own_words() -> None:
    text = """------
 > [stage-0 2/2] RUN pip install:
69.81 ERROR: Could not install packages due to an OSError: HTTPSConnectionPool(host='x'): Max retries exceeded with url
------
Dockerfile.noxlib:3
ERROR: failed to solve: process "/bin/sh -c pip" did not complete successfully: exit code: 1"""
    assert buildfailure.failure(text.splitlines(), buildfailure.TEMPLATE, 1, Path("/log")).cause == "unreachable"
