"""The table of steps: a row for each, from which its nox sessions are made."""

from __future__ import annotations

from typing import Callable, Union

import msgspec

from noxlib.sessions.context import Context

Body = Callable[[Context], None]
GROUND = "testground"  #: tag of the steps that make testgrounds


class Step(msgspec.Struct, frozen=True):
    """One row of the table.

    ``home`` is the module below ``noxlib.sessions`` whose ``run`` carries the step out; a project's own step brings a
    function instead.
    """

    name: str
    purpose: str
    home: Union[str, Body]  # noqa: UP007 - msgspec resolves it on Python 3.9
    per_python: bool = False
    umbrella: bool = True  #: a step per Python also has a session without one, which runs them all
    default: bool = False  #: part of a bare ``nox``
    tags: tuple[str, ...] = ()


STEPS: tuple[Step, ...] = (
    Step("unit", "Run the unit tests in the testground.", "unit", per_python=True, default=True, tags=("test",)),
    Step(
        "compose_integration",
        "Run the integration tests with the services of the compose file.",
        "compose_integration",
        per_python=True,
        tags=("services",),
    ),
    Step("compose_lint", "Find what in the compose file would collide or hang.", "compose_lint", tags=("check",)),
    Step("integration", "Run a level of the integration tests.", "integration", per_python=True, tags=("test",)),
    Step("script", "Run the project's test.sh as a suite.", "script", tags=("test",)),
    Step("vmtest", "Run the tests that need a machine, in a virtual one.", "vmtest", per_python=True, tags=("test",)),
    Step("golden_image", "Make the image that virtual machines start from.", "golden_image", tags=(GROUND,)),
    Step("testground_build", "Build the testground's image.", "testground_build", per_python=True, tags=(GROUND,)),
    Step("testground_lock", "Write the lock of each Python into the checkout.", "testground_lock", tags=(GROUND,)),
    Step(
        "testground_shell",
        "Open a shell in the very environment that the tests get.",
        "testground_shell",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step(
        "testground_publish",
        "Push the testground's tags of this CI event to the registry.",
        "testground_publish",
        per_python=True,
        tags=(GROUND,),
    ),
    Step(
        "testground_index",
        "Join what single platforms have published into one index.",
        "testground_index",
        per_python=True,
        tags=(GROUND,),
    ),
    Step(
        "testground_pull",
        "Pull the published testground of a commit, branch, release or digest.",
        "testground_pull",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step(
        "testground_verify",
        "Build what is published again, and compare both.",
        "testground_verify",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step("testground_diff", "Show what differs between two testgrounds.", "testground_diff", tags=(GROUND,)),
    Step("testground_list", "List what is published, and what of it is here.", "testground_list", tags=(GROUND,)),
    Step("testground_export", "Write all testgrounds into one archive.", "testground_export", tags=(GROUND,)),
    Step("testground_load", "Load the testgrounds of an archive.", "testground_load", tags=(GROUND,)),
    Step("testground_load", "Load one Python's testground.", "testground_load", True, False, tags=(GROUND,)),
    Step("testground_cleanup", "Plan and delete outdated published testgrounds.", "testground_cleanup", tags=(GROUND,)),
    Step("sanity", "Run the sanity tests on a machine: -- root@host.", "sanity", tags=("test",)),
    Step("hpc_submit", "Submit a suite to a Slurm cluster, as an array of tasks.", "hpc_submit", tags=("hpc",)),
    Step("hpc_status", "Show what was submitted and how far it is.", "hpc_status", tags=("hpc",)),
    Step("hpc_fetch", "Get the results of what was submitted.", "hpc_fetch", tags=("hpc",)),
    Step("hpc_cancel", "Stop what was submitted.", "hpc_cancel", tags=("hpc",)),
    Step("hpc_simulation", "Bring up a Slurm cluster in containers.", "hpc_simulation", tags=("hpc",)),
    Step("coverage", "Combine the coverage of all Pythons into one report.", "coverage", tags=("report",)),
    Step("ci_matrix", "Say which sessions an event of CI asks for.", "ci_matrix", tags=("report",)),
    Step("report", "Show records as a table, JUnit and a job summary.", "report", tags=("report",)),
    Step("history", "Show slow, flaky and failed tests of all runs.", "history", tags=("report",)),
    Step("alert", "Tell a webhook of records that are bad enough.", "alert", tags=("report",)),
    Step("reproduce", "Run a test of a record again, in its very image.", "reproduce", tags=("test",)),
    Step("perf_compare", "Compare the speed of two commits.", "perf_compare", tags=("bench",)),
    Step("doctor", "Show what was detected and what is missing.", "doctor", tags=("care",)),
    Step("reap", "Remove what dead runs left behind.", "reap", tags=("care",)),
    Step("lint", "Check the code's style.", "lint", tags=("check",)),
    Step("types", "Check the code's types.", "types", tags=("check",)),
    Step("docs", "Build the documentation; a warning is an error.", "docs", tags=("check",)),
    Step("bench", "Run the project's benchmarks.", "bench", tags=("bench",)),
)
