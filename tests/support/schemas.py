"""As much of JSON Schema 2020-12 as `specs/vectors/schema.json` uses, so that the tests need no validator package."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}
_KNOWN = {
    "$schema", "title", "description", "type", "properties", "additionalProperties", "required", "pattern", "minLength",
    "minProperties", "minItems", "items",
}  # fmt: skip


def schema_errors(value: Any, schema: Any, where: str = "$") -> list[str]:
    """What is wrong with *value*; empty if nothing. A keyword that this function does not know fails the test."""
    assert set(schema) <= _KNOWN, f"unknown keyword in the schema at {where}: {set(schema) - _KNOWN}"
    kind = schema.get("type")
    if kind is not None and type(value) is not _TYPES[kind]:
        return [f"{where}: not of type {kind}"]
    errors: list[str] = []
    if isinstance(value, str):
        if "pattern" in schema and re.search(schema["pattern"], value) is None:
            errors.append(f"{where}: {value!r} does not match {schema['pattern']}")
        if len(value) < schema.get("minLength", 0):
            errors.append(f"{where}: too short")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            errors.append(f"{where}: too few items")
        for index, item in enumerate(value):
            errors += schema_errors(item, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, dict):
        errors += _object_errors(value, schema, where)
    return errors


def _object_errors(value: dict[str, Any], schema: Any, where: str) -> list[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    errors = [f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value]
    if len(value) < schema.get("minProperties", 0):
        errors.append(f"{where}: too few members")
    for name, member in value.items():
        if name in known:
            errors += schema_errors(member, known[name], f"{where}.{name}")
        elif others is False:
            errors.append(f"{where}: {name} is not a member")
        elif others is not True:
            errors += schema_errors(member, others, f"{where}.{name}")
    return errors
