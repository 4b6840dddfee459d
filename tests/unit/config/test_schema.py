"""The schema for editors says what the models say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from noxlib.config.environment import NAMED, tables
from noxlib.config.models import Config
from noxlib.config.schema import descriptions, schema


@pytest.mark.parametrize("struct", [Config, *tables().values(), *NAMED.values()])
def test_every_key_has_a_description_beside_it(struct: Any) -> None:
    assert tuple(descriptions(struct)) == struct.__struct_fields__


def test_the_schema_refuses_unknown_keys_at_every_level() -> None:
    whole = schema()
    assert whole["additionalProperties"] is False
    assert [name for name, part in whole["definitions"].items() if part["additionalProperties"] is not False] == []
    assert {struct.__name__ for struct in (*tables().values(), *NAMED.values())} == set(whole["definitions"])


def test_every_key_of_the_schema_is_described_and_none_is_null() -> None:
    whole = schema()
    for table in (whole, *whole["definitions"].values()):
        for key, value in table["properties"].items():
            assert value["description"], key
            assert "null" not in json.dumps(value), key
            assert "type" in value or "enum" in value or "allOf" in value, key


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    assert schema()["properties"]["unit"]["allOf"] == [{"$ref": "#/definitions/SuiteConfig"}]
    assert "$defs" not in json.dumps(schema())


def test_choices_are_offered_by_name() -> None:
    assert sorted(schema()["properties"]["place"]["enum"]) == ["auto", "container", "venv"]
