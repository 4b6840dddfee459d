"""Logs for programs and for people."""

from __future__ import annotations

import json
import logging

import pytest

from ingester import logs


def test_json_has_a_line_for_a_record_and_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    logging.getLogger("ingester.files").info("stored", extra={"file_id": "f", "size": 7})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"], line["file_id"], line["size"]) == ("INFO", "stored", "f", 7)


def test_json_keeps_an_exception_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("ingester.files").exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert line["exception"].endswith("ValueError: wrong")


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text")
    logging.getLogger("ingester.files").info("stored")
    assert capsys.readouterr().err.endswith("INFO ingester.files: stored\n")
