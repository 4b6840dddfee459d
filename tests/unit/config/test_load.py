"""Loading the configuration: where it may stand, what it may hold, and what an error says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxlib.config.environment import RESERVED, keys, tables
from noxlib.config.load import find_root, load_config
from noxlib.config.models import Config, IntegrationConfig, SuiteConfig
from noxlib.errors import ConfigError

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
SUITE = st.fixed_dictionaries(
    {},
    optional={
        "args": st.lists(st.sampled_from(["-x", "-q", "--lf"])),
        "env": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), NAMES),
        "timeout": st.integers(1, 10**6),
        "network": st.booleans(),
        "memory": st.sampled_from(["512m", "2g"]),
        "cpus": st.floats(0.25, 64),
    },
)
TABLE = st.fixed_dictionaries(
    {},
    optional={
        "pythons": st.lists(st.sampled_from(["3.9", "3.12", "3.14t", "pypy3.11"]), unique=True),
        "extras": st.lists(NAMES),
        "packages": st.lists(NAMES),
        "apt": st.lists(st.from_regex(r"[a-z][a-z0-9]{1,8}", fullmatch=True)),
        "place": st.sampled_from(["auto", "container", "venv"]),
        "fallback": st.booleans(),
        "unit": SUITE,
    },
)


def load(root: Path, **environ: str) -> Config:
    return load_config(root, environ)


def failure(root: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(root, environ)
    assert len(str(caught.value).splitlines()) == 2
    return caught.value.what


def test_without_any_file_the_configuration_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_the_table_of_pyproject_is_read(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\npythons = ["3.12"]\n[tool.noxlib.unit]\ntimeout = 60\n')
    assert load(root) == Config(pythons=("3.12",), unit=SuiteConfig(timeout=60.0))


def test_noxlib_toml_holds_the_same_keys_at_its_top(make_project: Any) -> None:
    root = make_project("[tool.other]\n", {"noxlib.toml": 'place = "venv"\n[unit]\nargs = ["-x"]\n'})
    assert load(root) == Config(place="venv", unit=SuiteConfig(args=("-x",)))


def test_two_files_with_content_are_one_too_many(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\n', {"noxlib.toml": 'place = "venv"\n'})
    assert failure(root) == "both noxlib.toml and pyproject.toml's [tool.noxlib] configure noxlib"


def test_a_noxlib_toml_of_comments_is_no_second_configuration(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\n', {"noxlib.toml": "# nothing\n"})
    assert load(root).place == "venv"


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
    ('unit = "fast"', "pyproject.toml: tool.noxlib.unit: expected a table, found 'fast'"),
    ("unit.env = {A = 1}", "pyproject.toml: tool.noxlib.unit.env: expected a table of strings, found {'A': 1}"),
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


def test_invalid_toml_names_file_line_and_message(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv\n')
    assert failure(root).startswith("pyproject.toml: line 2, column ")


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nnoxlib = []\n", "a = " + "[" * 5000])
def test_a_malformed_file_is_one_line_too(text: str, make_project: Any) -> None:
    root = make_project(text)
    if text == "tool = 3\n":
        assert failure(root) == "pyproject.toml: tool.noxlib: expected a table, found 3"
    else:
        assert failure(root).startswith("pyproject.toml: ")


def test_a_file_that_is_not_utf_8_names_its_line(make_project: Any) -> None:
    root = make_project("[project]\n")
    (root / "pyproject.toml").write_bytes(b"a = 1\n# \xff\n")
    assert failure(root) == "pyproject.toml: line 2 is not UTF-8"


def test_a_folder_called_pyproject_toml_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert failure(tmp_path) == "pyproject.toml cannot be read: Is a directory"


def test_a_date_of_toml_is_as_good_as_a_string(make_project: Any) -> None:
    assert load(make_project("[tool.noxlib]\nexclude_newer = 2025-01-31\n")).exclude_newer == "2025-01-31"


def test_each_value_can_be_overridden_by_a_variable(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\nunit.timeout = 5\nunit.args = ["-x"]\n')
    config = load(
        root,
        NOXLIB_PLACE="container",
        NOXLIB_PYTHONS="3.9, 3.10",
        NOXLIB_PACKAGES='["numpy>=1,<3"]',
        NOXLIB_MIRRORS="docker.io=mirror.example.org/hub",
        NOXLIB_FALLBACK="True",
        NOXLIB_UNIT_TIMEOUT="7.5",
        NOXLIB_UNIT_ENV='{"A": "1,2"}',
        NOXLIB_INTEGRATION_NETWORK="false",
    )
    assert config == Config(
        place="container",
        pythons=("3.9", "3.10"),
        packages=("numpy>=1,<3",),
        mirrors={"docker.io": "mirror.example.org/hub"},
        fallback=True,
        unit=SuiteConfig(timeout=7.5, env={"A": "1,2"}, args=("-x",)),
        integration=IntegrationConfig(network=False),
    )


def test_an_empty_variable_is_unset_and_an_empty_list_is_json(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nextras = ["a"]\nplace = "venv"\n')
    config = load(root, NOXLIB_PLACE="", NOXLIB_EXTRAS="[]")
    assert (config.place, config.extras) == ("venv", ())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("NOXLIB_PLCAE", "venv", "environment: NOXLIB_PLCAE is no variable of noxlib; did you mean NOXLIB_PLACE?"),
        (
            "NOXLIB_CACHEDIR",
            "x",
            "environment: NOXLIB_CACHEDIR is no variable of noxlib; did you mean NOXLIB_CACHE_DIR?",
        ),
        ("NOXLIB_UNIT_TIMEOUT", "long", "environment: NOXLIB_UNIT_TIMEOUT: expected a number, found 'long'"),
        ("NOXLIB_UNIT_TIMEOUT", "NaN", "environment: NOXLIB_UNIT_TIMEOUT: expected a number, found 'NaN'"),
        ("NOXLIB_UNIT_TIMEOUT", "-1", "environment: NOXLIB_UNIT_TIMEOUT: expected a number above zero, found -1.0"),
        ("NOXLIB_UNIT_ENV", "A", "environment: NOXLIB_UNIT_ENV: expected key=value pairs, found 'A'"),
        ("NOXLIB_PACKAGES", "[", "environment: NOXLIB_PACKAGES: expected a list of strings, found '['"),
        ("NOXLIB_FALLBACK", "1", "environment: NOXLIB_FALLBACK: expected true or false, found 1"),
        (
            "NOXLIB_PLACE",
            "docker",
            (
                "environment: NOXLIB_PLACE: expected one of auto, container, venv, found 'docker'; "
                "did you mean 'container'?"
            ),
        ),
        (
            "NOXLIB_UNIT_PATHS",
            "../x",
            "environment: NOXLIB_UNIT_PATHS: expected a path inside the repository, found '../x'",
        ),
    ],
)
def test_an_error_in_a_variable_names_the_variable(name: str, text: str, message: str, tmp_path: Path) -> None:
    assert failure(tmp_path, **{name: text}) == message


def test_variables_that_are_no_keys_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, NOXLIB_TESTBED_FAST="1", PATH="x", **dict.fromkeys(RESERVED, "x")) == Config()


def test_every_key_has_a_variable_of_its_own() -> None:
    variables = keys()
    plain = [name for name in Config.__struct_fields__ if name not in {*tables(), "environments", "quarantine"}]
    count = len(plain) + sum(len(struct.__struct_fields__) for struct in tables().values())
    assert len(variables) == count - len(["integration.levels"])
    assert not RESERVED & set(variables)


@given(table=TABLE)
def test_a_file_and_variables_of_the_same_values_give_the_same_configuration(
    table: dict[str, Any], tmp_path: Path
) -> None:
    environ = {}
    for key, value in table.items():
        pairs = value.items() if key == "unit" else [("", value)]
        for inner, item in pairs:
            name = "NOXLIB_" + "_".join(filter(None, (key, inner))).upper()
            environ[name] = item if isinstance(item, str) else json.dumps(item)
    assert load_config(tmp_path, environ) == msgspec.convert(table, Config)


@example(name="NOXLIB_APT", text="[\ud800")  # a byte that is no UTF-8
@example(name="NOXLIB_PLACE", text="\ud800")
@example(name="NOXLIB_CONSTRAINTS", text='["\\ud800"]')  # the same, as JSON escapes it
@given(name=st.sampled_from(sorted(keys())), text=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_text_in_a_variable_is_a_configuration_or_two_lines(name: str, text: str, tmp_path: Path) -> None:
    try:
        load_config(tmp_path, {name: text})
    except ConfigError as error:
        assert name in error.what  # noqa: PT017 - either way is right
        assert len(str(error).split("\n")) == 2  # noqa: PT017


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


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", "setup.cfg", "noxfile.py", ".git"])
def test_the_root_is_the_nearest_folder_with_a_mark(mark: str, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / mark).touch()
    assert find_root(inner) == tmp_path.resolve() / "a"


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
