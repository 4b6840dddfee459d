"""The schema for editors says what the models say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noxlib.config.models import Config, SuiteConfig
from noxlib.config.schema import descriptions, schema


@pytest.mark.parametrize("struct", [Config, SuiteConfig])
def test_every_key_has_a_description_beside_it(struct: Any) -> None:
    assert tuple(descriptions(struct)) == struct.__struct_fields__


def test_the_schema_refuses_unknown_keys_at_both_levels() -> None:
    whole = schema()
    assert whole["additionalProperties"] is False
    assert whole["definitions"]["SuiteConfig"]["additionalProperties"] is False


def test_every_key_of_the_schema_is_described_and_none_is_null() -> None:
    whole = schema()
    for table in (whole, whole["definitions"]["SuiteConfig"]):
        for key, value in table["properties"].items():
            assert value["description"], key
            assert "null" not in json.dumps(value), key
            assert "type" in value or "enum" in value or "allOf" in value, key


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    assert schema()["properties"]["unit"]["allOf"] == [{"$ref": "#/definitions/SuiteConfig"}]
    assert "$defs" not in json.dumps(schema())


def test_choices_are_offered_by_name() -> None:
    assert sorted(schema()["properties"]["place"]["enum"]) == ["auto", "container", "venv"]
