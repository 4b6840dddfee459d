"""A value that makes no sense: its file and key, what was expected there, and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import ConfigError

from .loading import failure, load

BAD = [
    ("pyhtons = []", "pyproject.toml: tool.noxlib.pyhtons is no key of noxlib; did you mean tool.noxlib.pythons?"),
    (
        "unit.timeuot = 3",
        "pyproject.toml: tool.noxlib.unit.timeuot is no key of noxlib; did you mean tool.noxlib.unit.timeout?",
    ),
    ("timeout = 3", "pyproject.toml: tool.noxlib.timeout is no key of noxlib; did you mean tool.noxlib.unit.timeout?"),
    ('unit.timeout = "3"', "pyproject.toml: tool.noxlib.unit.timeout: expected a number, found '3'"),
    ("unit.timeout = 0", "pyproject.toml: tool.noxlib.unit.timeout: expected a number above zero, found 0.0"),
    ("unit.timeout = inf", "pyproject.toml: tool.noxlib.unit.timeout: expected a number above zero, found inf"),
    ("unit.timeout = true", "pyproject.toml: tool.noxlib.unit.timeout: expected a number, found True"),
    ("unit.network = 1", "pyproject.toml: tool.noxlib.unit.network: expected true or false, found 1"),
    ("unit.cpus = -1", "pyproject.toml: tool.noxlib.unit.cpus: expected a number above zero, found -1.0"),
    (
        "retention.pr = '7'",
        """pyproject.toml: tool.noxlib.retention.pr: expected an age such as "90 days" or "forever", found '7'""",
    ),
    ("retention.keep_last = -1", "pyproject.toml: tool.noxlib.retention.keep_last: expected zero or more, found -1"),
    ("retention.share = nan", "pyproject.toml: tool.noxlib.retention.share: expected a number from 0 to 1, found nan"),
    (
        "compose_integration.keep_hours = inf",
        "pyproject.toml: tool.noxlib.compose_integration.keep_hours: expected hours from 0 to 8784, found inf",
    ),
    (
        "compose_integration.ready_timeout = nan",
        "pyproject.toml: tool.noxlib.compose_integration.ready_timeout: expected a number above zero, found nan",
    ),
    ('unit = "fast"', "pyproject.toml: tool.noxlib.unit: expected a table, found 'fast'"),
    ("unit.env = {A = 1}", "pyproject.toml: tool.noxlib.unit.env: expected a table of strings, found {'A': 1}"),
    (
        'compose_integration.reset = {d = "x"}',
        "pyproject.toml: tool.noxlib.compose_integration.reset: expected a table of lists of strings, found {'d': 'x'}",
    ),
    (
        'unit.env = {"A-B" = "1"}',
        (
            "pyproject.toml: tool.noxlib.unit.env: expected the name of an environment variable "
            "(letters, digits, '_'), "
            "found ('A-B', '1')"
        ),
    ),
    (
        'unit.memory = "2 gigs"',
        'pyproject.toml: tool.noxlib.unit.memory: expected a size above zero such as "512m" or "2g", found \'2 gigs\'',
    ),
    ('unit.memory = "1"', "pyproject.toml: tool.noxlib.unit.memory: expected at least \"6m\", found '1'"),
    (
        'unit.select = "not"',
        (
            "pyproject.toml: tool.noxlib.unit.select: expected a marker expression such as "
            '"not integration and not slow"'
            ", found 'not'"
        ),
    ),
    (
        "pythons = [3.10]",
        (
            'pyproject.toml: tool.noxlib.pythons: expected a list of strings such as ["3.9", "3.10"], each in quotes, '
            "found [3.1]"
        ),
    ),
    (
        'pythons = ["python3.10"]',
        (
            "pyproject.toml: tool.noxlib.pythons: expected a Python as uv names it, such as 3.12, 3.14t or pypy3.11, "
            "found 'python3.10'; did you mean '3.10'?"
        ),
    ),
    ('pythons = ["3.9", "3.9"]', "pyproject.toml: tool.noxlib.pythons: expected each Python once, found '3.9'"),
    (
        'place = "contaner"',
        (
            "pyproject.toml: tool.noxlib.place: expected one of auto, container, venv, found 'contaner'; "
            "did you mean 'container'?"
        ),
    ),
    (
        'image = "Owner/Name"',
        (
            "pyproject.toml: tool.noxlib.image: expected an image name in lower case without a tag, "
            "such as ghcr.io/owner/name, found 'Owner/Name'; did you mean 'owner/name'?"
        ),
    ),
    (
        'image = "127.0.0.1:5000/Demo:v1"',
        (
            "pyproject.toml: tool.noxlib.image: expected an image name in lower case without a tag, "
            "such as ghcr.io/owner/name, found '127.0.0.1:5000/Demo:v1'; did you mean '127.0.0.1:5000/demo'?"
        ),
    ),
    (
        'exclude_newer = "soon"',
        (
            'pyproject.toml: tool.noxlib.exclude_newer: expected a day such as "2025-01-31" or a time such as '
            "\"2025-01-31T12:00:00Z\", found 'soon'"
        ),
    ),
    (
        'packages = ["a b"]',
        (
            'pyproject.toml: tool.noxlib.packages: expected a requirement such as "numpy>=2,<3" (in a variable: JSON), '
            "found 'a b'"
        ),
    ),
    ('apt = ["x; id"]', "pyproject.toml: tool.noxlib.apt: expected the name of a Debian package, found 'x; id'"),
    (
        'import_names = ["a-b"]',
        "pyproject.toml: tool.noxlib.import_names: expected a name that can be imported, found 'a-b'",
    ),
    (
        'mirrors = {"docker.io" = "a\\nRUN id"}',
        (
            "pyproject.toml: tool.noxlib.mirrors: expected registry prefixes such as "
            '"docker.io" = "mirror.example.org/hub"'
            ", found ('docker.io', 'a\\nRUN id')"
        ),
    ),
    (
        'unit.devices = ["/dev/a b"]',
        "pyproject.toml: tool.noxlib.unit.devices: expected a device such as \"/dev/fuse\", found '/dev/a b'",
    ),
    (
        'requirements = ["requirments-test.txt"]',
        (
            "pyproject.toml: tool.noxlib.requirements: expected a file that is there, found 'requirments-test.txt'; "
            "did you mean 'requirements-test.txt'?"
        ),
    ),
]


@pytest.mark.parametrize(("line", "message"), BAD, ids=[line for line, _ in BAD])
def test_an_error_names_file_key_expectation_and_finding(line: str, message: str, make_project: Any) -> None:
    root = make_project(f"[tool.noxlib]\n{line}\n", {"requirements-test.txt": ""})
    assert failure(root) == message


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../other", "a/../../b", "~/x", "C:/x", "", "..\\x", "link/x", "loop/x"]
)
@pytest.mark.parametrize("key", ["requirements", "constraints", "write_back", "unit.paths"])
def test_a_path_outside_the_repository_is_refused(key: str, path: str, make_project: Any, tmp_path: Path) -> None:
    root = make_project(f"[tool.noxlib]\n{key} = ['{path}']\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_text("")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root / "loop")
    assert f"tool.noxlib.{key}: expected a path inside the repository" in failure(root)


def test_paths_inside_the_repository_may_be_links_globs_and_ids(make_project: Any) -> None:
    root = make_project(
        "[tool.noxlib]\nwrite_back = ['tests/**/*.snap', 'new/*']\n"
        "unit.paths = ['tests/test_a.py::test_b', '.', 'link']\n",
        {"tests/test_a.py": ""},
    )
    (root / "link").symlink_to(root / "tests")
    assert load(root).unit.paths[0] == "tests/test_a.py::test_b"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "[environments.ci]\nconcurent = 2",
            "environments.ci.concurent is no key of noxlib; did you mean environments.ci.conc",
        ),
        ("[environments.ci]\nconcurrent = '2'", "environments.ci.concurrent: expected a whole number, found '2'"),
        ("[environments.ci]\nconcurrent = 0", "environments.ci.concurrent: expected a number above zero, fo"),
        (
            "[environments.ci]\ntimeout_multiplier = -1.5",
            "ci.timeout_multiplier: expected a number above zero, found -1.5",
        ),
        ("[environments]\nci = 3", "environments.ci: expected a table, found 3"),
        ("[environments.ci]\nbackends = [1]", "environments.ci.backends: expected a list of strings, found [1]"),
        ("[integration.levels.basic]\ntimeout = 'x'", "integration.levels.basic.timeout: expected a number, found 'x'"),
        ("[integration.levels.basic]\nlevel = 'x'", "integration.levels.basic.level is no key of noxlib"),
        ("[integration]\nlevel = 1", "integration.level: expected a string, found 1"),
        ("[script]\npath = '../x'", "script.path: expected a path inside the repository, found '../x'"),
        ("[script]\npython = '2.7'", "script.python: expected a Python as uv names it"),
    ],
)
def test_an_error_in_a_table_of_a_chosen_name_names_its_key(table: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "noxlib.toml").write_text(table)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert message in caught.value.what


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ('["redis", "postgress"]', "found ['redis', 'postgress']; did you mean 'postgres'?"),
        ('"postgres"', "found 'postgres'; did you mean 'postgres'?"),
    ],
)
def test_a_fixture_that_is_not_known_is_told_with_the_nearest(tmp_path: Path, value: str, end: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.noxlib]\nfixtures = {value}\n")
    expected = "expected a list of postgres, redis, storage, data"
    assert failure(tmp_path) == f"pyproject.toml: tool.noxlib.fixtures: {expected}, {end}"
