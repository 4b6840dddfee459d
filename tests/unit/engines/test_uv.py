"""How uv is called, and what it said, told as a failure: the cause, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.engines import index, uv

REQUEST = uv.Request(cwd=Path(), python="3.10", interpreter="/usr/bin/python", platform="x86_64-manylinux_2_36")


def test_names_that_look_like_options_stay_values() -> None:
    request = uv.Request(cwd=Path(), python="3.10", interpreter="p", extras=("--upgrade",), sources=("-x.txt",))
    arguments = uv._arguments(request)
    assert "--extra=--upgrade" in arguments
    assert arguments[arguments.index("--") :] == ["--", "-x.txt", "-"]


def test_the_platform_is_named_for_cpython_and_left_open_for_others() -> None:
    assert "--python-platform=x86_64-manylinux_2_36" in uv._arguments(REQUEST)
    for python in ("pypy3.11", "3.14t"):
        other = uv._arguments(uv.Request(cwd=Path(), python=python, interpreter="p", platform="x86_64-manylinux_2_36"))
        assert "--universal" in other
        assert not any(word.startswith("--python-platform") for word in other)


def test_an_unreachable_index_is_told_apart() -> None:
    error = uv.explained(
        "error: Request failed after 3 retries\n  cause: error sending request for url (https://u:geheim@x/)\n"
    )
    assert error.cause == "unreachable"
    assert "geheim" not in str(error)


def test_wrong_credentials_are_told_apart() -> None:
    error = uv.explained(
        "error: Failed to fetch: `https://x/simple/a/`\n  cause: HTTP status client error (401 Unauthorized)"
    )
    assert "credentials" in error.todo


def test_what_cannot_be_satisfied_is_said_in_uvs_words() -> None:
    error = uv.explained(
        "warning: w\nerror: No solution found\n  cause: Because only a<=1 is available and you require a>9"
    )
    assert "you require a>9" in error.what
    assert "warning" not in error.what
    assert error.cause is None


def test_uv_that_says_nothing_is_no_empty_error() -> None:
    assert uv.explained("").what


# -- indexes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}


def test_pips_variables_become_uvs(bare: dict[str, str]) -> None:
    environ = {**bare, "PIP_INDEX_URL": "https://u:p@x/simple", "PIP_EXTRA_INDEX_URL": "https://y/ \n https://z/"}
    assert index.index_environment(environ) == {
        "UV_DEFAULT_INDEX": "https://u:p@x/simple",
        "UV_INDEX": "https://y/ https://z/",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_is_set_for_uv_wins(bare: dict[str, str], name: str) -> None:
    assert index.index_environment({**bare, "PIP_INDEX_URL": "https://x/", name: "https://own/"}) == {}


def test_pip_conf_is_read(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://x/simple\n[install]\ntrusted-host = x\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    found = index.index_environment(environ)
    assert (found["UV_DEFAULT_INDEX"], found["UV_INSECURE_HOST"]) == ("https://x/simple", "x")


@pytest.mark.parametrize("name", ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_named_for_others_is_given_to_uv(bare: dict[str, str], tmp_path: Path, name: str) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    assert index.index_environment({**bare, name: str(bundle)}) == {"SSL_CERT_FILE": str(bundle)}
    assert index.index_environment({**bare, name: str(tmp_path / "absent")}) == {}


def test_the_secrets_of_a_build_are_the_variables_of_indexes_only(bare: dict[str, str]) -> None:
    environ = {
        **bare,
        "UV_INDEX_COMPANY_PASSWORD": "p",
        "UV_CACHE_DIR": "/x",
        "TOKEN": "t",
        "PIP_INDEX_URL": "https://x/",
    }
    assert index.index_secrets(environ) == {"UV_DEFAULT_INDEX": "https://x/", "UV_INDEX_COMPANY_PASSWORD": "p"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('url = "https://user:geheim@x/a"', 'url = "https://x/a"'),
        ("http://token@x/ https://y/", "http://x/ https://y/"),
        ("git+ssh://git@github.com/a/b", "git+ssh://git@github.com/a/b"),
        ("https://x/a@b", "https://x/a@b"),
    ],
)
def test_urls_are_shown_without_user_and_password(text: str, masked: str) -> None:
    assert index.mask(text) == masked
