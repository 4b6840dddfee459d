"""What goes over the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from ingester.schemas import LONGEST_NAME, FileRead, StorageElement, Stored, Token, clean_name
from tests.factories import FileReadFactory


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\folder\\letter.txt", "letter.txt"),
        ("a\x00b\nc.txt", "abc.txt"),
        ("Übergröße.txt", "Übergröße.txt"),
        (" spaces ", "spaces"),
        ("", "unnamed"),
        ("folder/", "unnamed"),
        ("..", "unnamed"),
    ],
)
def test_a_name_has_no_folders_and_no_control_characters(name: str, clean: str) -> None:
    assert clean_name(name) == clean


@given(st.text())
def test_a_clean_name_is_safe_whatever_comes_in(name: str) -> None:
    clean = clean_name(name)
    assert 0 < len(clean.encode()) <= LONGEST_NAME
    assert not set(clean) & set("/\\\0\n")
    assert clean.strip(".")


@given(st.text())
def test_a_clean_name_stays_as_it_is(name: str) -> None:
    assert clean_name(clean_name(name)) == clean_name(name)


def test_a_long_name_is_cut_between_its_letters() -> None:
    assert clean_name("ü" * 200) == "ü" * 127


def test_a_file_goes_over_the_wire_and_back() -> None:
    for file in FileReadFactory.batch(10):
        assert FileRead.model_validate_json(file.model_dump_json()) == file


@pytest.mark.parametrize(
    ("field", "wrong"), [("size", -1), ("sha256", "abc"), ("sha256", "G" * 64), ("id", "no-uuid"), ("created", "once")]
)
def test_a_file_with_a_wrong_field_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(ValidationError, match=field):
        FileRead.model_validate({**FileReadFactory.build().model_dump(), field: wrong})


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        (Token, {"access_token": "", "expires_in": 60}),
        (Token, {"access_token": "x", "expires_in": 0}),
        (Token, {"expires_in": 60}),
        (StorageElement, {"id": "s", "url": "ftp://storage", "mode": "rw"}),
        (StorageElement, {"id": "s", "url": "http://storage", "mode": "wo"}),
        (Stored, {"file_id": ""}),
    ],
)
def test_a_peers_answer_that_makes_no_sense_is_refused(schema: type[BaseModel], answer: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        schema.model_validate(answer)


def test_what_a_peer_says_besides_does_not_matter() -> None:
    element = {"id": "s", "url": "http://storage", "mode": "ro", "name": "old", "free": 12}
    assert StorageElement.model_validate(element).mode == "ro"
