"""The JSON schema of ``[tool.noxlib]`` for editors; its descriptions are the ``#:`` comments of the models."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from noxlib.config import models
from noxlib.config.models import Config

_FIELD = re.compile(r"^    (\w+): .*?  #: (.+)$", re.MULTILINE)


def descriptions(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Key -> its description, as the source of the models has it.

    >>> descriptions(SuiteConfig)["timeout"]
    'seconds for the whole suite'
    """
    sources = [inspect.getsource(part) for part in struct.__mro__ if part.__module__ == models.__name__]
    return dict(pair for source in reversed(sources) for pair in _FIELD.findall(source))


def schema() -> dict[str, Any]:
    """Draft 7, which editors' TOML extensions read; TOML has no null, so no key may be null."""
    (config,), parts = msgspec.json.schema_components([Config], ref_template="#/definitions/{name}")
    for name, part in parts.items():
        texts = descriptions(getattr(models, name))
        part["properties"] = {key: _property(value, texts[key]) for key, value in part["properties"].items()}
    table = parts.pop(config["$ref"].rpartition("/")[2])
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **table,
        "title": "[tool.noxlib]",
        "description": "Configuration of noxlib; every key is optional.",
        "definitions": {**parts, "SuiteConfig": {**parts["SuiteConfig"], "title": "a suite"}},
    }


def _property(value: dict[str, Any], text: str) -> dict[str, Any]:
    """One key: without null, with its description. Beside ``$ref`` draft 7 reads nothing, hence ``allOf``."""
    found = {key: part for key, part in value.items() if not (key == "default" and part is None)}
    kinds = [kind for kind in found.pop("anyOf", []) if kind != {"type": "null"}]
    if "$ref" in found:
        return {"description": text, "allOf": [{"$ref": found["$ref"]}]}
    return {"description": text, **(kinds[0] if len(kinds) == 1 else {}), **found}
