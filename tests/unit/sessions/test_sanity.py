"""``nox -s sanity``: what its words mean, and which tests it selects."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.config.models import Config, SanityConfig
from noxlib.errors import UsageError
from noxlib.sessions import sanity
from noxlib.sessions.arguments import Arguments
from noxlib.sessions.context import Context


def call(*words: str, root: Path = Path()) -> Context:
    return Context("sanity", "sanity", "", "", root, words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("root@host",), ("--host", "root@host")),
        (("root@host", "--keep", "-k", "x"), ("--host", "root@host", "--keep", "-k", "x")),
        (("--python", "3.10", "host", "tests/a.py"), ("--python", "3.10", "--host", "host", "tests/a.py")),
        (("host", "--", "--keep"), ("--host", "host", "--", "--keep")),
        (("--host", "host", "tests/a.py"), ("--host", "host", "tests/a.py")),
        (("--host=host", "other"), ("--host=host", "other")),
        (("-k", "x"), ("-k", "x")),
        (("--", "tests/a.py"), ("--", "tests/a.py")),
        ((), ()),
    ],
)
def test_the_first_word_is_the_host(words: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert sanity.with_host(call(*words)).posargs == expected


def test_tests_marked_sanity_are_run_unless_others_are_selected() -> None:
    arguments = Arguments({"env_config": None, "dry_run": False}, ())
    assert sanity.suite(Config(), arguments).select == "sanity"
    assert sanity.suite(Config(sanity=SanityConfig(select="")), arguments).select == ""


def test_a_python_that_is_not_configured_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noxlib.toml").write_text('pythons = ["3.9", "3.12"]\n')
    with pytest.raises(UsageError, match=r"3\.8 is none of the project's Pythons") as caught:
        sanity.run(call("root@host", "--python", "3.8", root=tmp_path))
    assert caught.value.todo == "they are 3.9, 3.12"


def test_a_host_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no host is named"):
        sanity.run(call(root=tmp_path))
