"""A project's own Dockerfile: its stages, base images, arguments, and what it takes from the context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import ConfigError
from noxlib.testground import dockerfile

ARGUMENTS = {"PYTHON_VERSION": "3.10"}


def read(*lines: str) -> dockerfile.Dockerfile:
    return dockerfile.read("\n".join(lines), ARGUMENTS)


def test_stages_images_and_arguments_are_seen() -> None:
    found = read(
        "# a comment",
        "ARG PYTHON_VERSION=3.12",
        "from python:${PYTHON_VERSION}-slim as Builder",
        "FROM builder AS test",
        "FROM --platform=linux/amd64 example.org/base:1 AS runtime",
    )
    assert found.stages == ("builder", "test", "runtime")
    assert found.images == ("python:3.10-slim", "example.org/base:1")
    assert found.arguments == ("PYTHON_VERSION",)


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("ARG PYTHON_VERSION\nARG BASE=python:$PYTHON_VERSION\nFROM $BASE", "python:3.10"),
        ("ARG OTHER\nFROM a:${OTHER:-1}", "a:1"),
        ("ARG OTHER=2\nFROM a:${OTHER:-1}", "a:2"),
        ("ARG PYTHON_VERSION\nFROM a${PYTHON_VERSION:+-py}", "a-py"),
        ('ARG X="b c"\nFROM "a:1"', "a:1"),
        ("FROM a:1 \\\n  # why\n  AS \\\n x", "a:1"),
        ("# escape=`\nFROM a:1 `\n AS x", "a:1"),
    ],
)
def test_arguments_are_put_in(text: str, image: str) -> None:
    assert dockerfile.read(text, ARGUMENTS).images == (image,)


def test_an_image_of_an_unknown_argument_is_left_to_the_builder() -> None:
    assert read("FROM $UNKNOWN").images == ()


def test_images_that_files_are_copied_from_count() -> None:
    found = read(
        "FROM a AS b",
        "COPY --from=b /x /",
        "COPY --from=0 /x /",
        "COPY --from=c:1 /x /",
        "RUN --mount=from=d,target=/d ls",
    )
    assert found.images == ("a", "c:1", "d")


@pytest.mark.parametrize(
    ("line", "sources"),
    [
        ("COPY . /workspace", (".",)),
        ("COPY a.txt b/*.py --chown=x c/", ("a.txt", "b/*.py", "--chown=x")),
        ("COPY --chown=1:1 --link a.txt /", ("a.txt",)),
        ('ADD ["a b.txt", "c", "/x"]', ("a b.txt", "c")),
        ("ADD https://example.org/x.tar /x", ()),
        ("COPY /a.txt /b", ("a.txt",)),
        ("COPY / /b", (".",)),
        ("COPY $UNKNOWN /b", (".",)),
        ("COPY [broken /b", (".",)),
        ("RUN --mount=type=bind,source=src,target=/src make", ("src",)),
        ("RUN --mount=type=bind,target=/src make", (".",)),
        ("RUN --mount=type=secret,id=ca --mount=type=cache,target=/c make", ()),
        ("RUN cp a b", ()),
    ],
)
def test_what_an_instruction_takes_from_the_context(line: str, sources: tuple[str, ...]) -> None:
    assert read("FROM a", line).sources == sources


def test_the_body_of_a_here_document_is_no_instruction() -> None:
    found = read(
        "FROM a", "RUN <<EOF", "COPY . /x", "FROM b", "EOF", "COPY <<-'END' /y", "ADD c d", "\tEND", "COPY e /"
    )
    assert found.images == ("a",)
    assert found.sources == ("e",)


def test_without_the_build_argument_it_is_refused_in_one_line_each() -> None:
    with pytest.raises(ConfigError) as caught:
        dockerfile.check(read("FROM python:3.12"), "Dockerfile.test")
    assert "PYTHON_VERSION" in caught.value.what
    assert "\n" not in caught.value.what + caught.value.todo


@given(st.text(alphabet="FROM COPYADRUN$\\{}[]\"'<-=.\n\t#", max_size=200))
def test_no_text_stops_the_reader(text: str) -> None:
    dockerfile.read(text, ARGUMENTS)
