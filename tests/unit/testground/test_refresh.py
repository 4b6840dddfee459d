"""The summary of newer packages, bases and vulnerabilities."""

from __future__ import annotations

from noxlib.engines.pipaudit import Audit, Vulnerability
from noxlib.testground import refresh
from noxlib.testground.diff import Change
from noxlib.testground.refresh import Base, Refreshed

OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64
LOCK = """[[packages]]
name = "A_b"
version = "{}"
[[packages]]
name = "c"
version = "1"
marker = "sys_platform == 'win32'"
"""


def one(**changed: object) -> Refreshed:
    audit = Audit((Vulnerability("jinja2", "2.10", "PYSEC-2019-217", ("2.10.1",)),), ("toml",))
    told = {
        "python": "3.10",
        "file": "pylock.py310.toml",
        "packages": (Change("pypi", "jinja2", "2.9", "2.10"), Change("pypi", "new", None, "1")),
        "bases": (Base("python:3.10-slim", OLD, NEW),),
        "audit": audit,
    }
    return Refreshed(**{**told, **changed})  # type: ignore[arg-type]


def test_the_summary_has_a_table_of_packages_the_base_and_what_is_vulnerable() -> None:
    text = refresh.markdown([one()])
    assert "### Python 3.10" in text
    assert f"Base image `python:3.10-slim`: `{OLD}`, now `{NEW}`." in text
    assert "| changed | jinja2 | 2.9 | 2.10 |\n| added | new |  | 1 |\n" in text
    assert "Known vulnerabilities: Not asked for: toml.\n\n| package |" in text
    assert "| jinja2 | 2.10 | PYSEC-2019-217 | 2.10.1 |" in text


def test_what_could_not_be_asked_is_a_line_of_its_own_and_never_none() -> None:
    text = refresh.markdown([one(audit=Audit(unknown="it is down"), bases=(Base("x", None, None, "it is down"),))])
    assert "Known vulnerabilities: could not be asked for, it is down." in text
    assert "Base image `x`: not asked for, it is down." in text
    assert "none" not in text


def test_nothing_new_is_nothing_to_propose() -> None:
    bases = (Base("x", OLD, OLD), Base("y", OLD, None, "down"), Base("z", None, NEW))
    same = one(packages=(), bases=bases, audit=Audit())
    assert not same.is_changed
    text = refresh.markdown([same])
    assert "Packages: unchanged in `pylock.py310.toml`." in text
    assert "Known vulnerabilities: none." in text
    assert one().is_changed
    assert one(packages=()).is_changed


def test_names_of_an_index_make_no_markdown_no_html_and_call_nobody() -> None:
    hostile = "</td>|[x](javascript:y)\n# @everyone <!-- `"
    text = refresh.markdown([one(packages=(Change("pypi", hostile, None, "1"),))])
    line = next(line for line in text.splitlines() if "everyone" in line)
    for sign in ("</td>", " [x]", " @everyone", " <!--"):
        assert sign not in line
    assert line.replace("\\|", "").count("|") == 5


def test_the_packages_of_a_lock_are_those_that_are_installed_there() -> None:
    before = refresh.packages(LOCK.format("1"), "it", "3.10", "linux/amd64")
    after = refresh.packages(LOCK.format("2"), "it", "3.10", "linux/amd64")
    assert refresh.changes(before, after) == (Change("pypi", "a-b", "1", "2"),)
