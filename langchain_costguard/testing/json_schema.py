"""Filling a JSON schema with the plainest values that satisfy it: what our fakes answer when a schema is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_DEPTH: Final = 8
_STRINGS_BY_FORMAT: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "someone@example.com",
    "uri": "https://example.com/",
}

JsonValue: TypeAlias = Any


def fill_schema(schema: Mapping[str, Any]) -> JsonValue:
    """The plainest value that satisfies `schema`, always the same one.

    Required properties are given (all properties where the schema requires none); the first value of an `enum` and the
    first branch of an `anyOf` that is not null are taken; numbers are 1 where that is allowed. `pattern` and
    `multipleOf` are not understood.

    Args:
        schema: a JSON schema, with `$ref` only into itself.
    """
    return _value(schema, schema, 0)


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> JsonValue:
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match _type_of(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, depth)
        case "string":
            return _string(schema)
        case "integer":
            return int(_number(schema))
        case "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself: references followed, a branch of each choice taken, `allOf` merged."""
    while True:
        if "$ref" in schema:
            schema = {**_target(schema["$ref"], root), **{key: schema[key] for key in schema if key != "$ref"}}
        elif choices := schema.get("anyOf") or schema.get("oneOf"):
            schema = next((choice for choice in choices if choice.get("type") != "null"), choices[0])
        elif "allOf" in schema:
            schema = _merged([{key: schema[key] for key in schema if key != "allOf"}, *schema["allOf"]], root)
        else:
            return schema


def _target(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        target = target[step] if step else target
    found: Mapping[str, Any] = target
    return found


def _merged(schemas: list[Mapping[str, Any]], root: Mapping[str, Any]) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    for schema in (_resolved(one, root) for one in schemas):
        properties = {**merged.get("properties", {}), **schema.get("properties", {})}
        required = [*merged.get("required", ()), *schema.get("required", ())]
        merged = {**merged, **schema}
        merged.update({"properties": properties} if properties else {}, **({"required": required} if required else {}))
    return merged


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(next((one for one in kind if one != "null"), "null")) if isinstance(kind, list) else str(kind)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, JsonValue]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    names = schema.get("required") or properties
    return {name: _value(properties.get(name, {}), root, depth + 1) for name in names if depth < _MAX_DEPTH}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[JsonValue]:
    length = schema.get("minItems", 0 if depth >= _MAX_DEPTH or schema.get("maxItems") == 0 else 1)
    items = [*schema.get("prefixItems", ())]
    items += [schema.get("items") or {}] * (length - len(items))
    return [_value(item, root, depth + 1) for item in items]


def _string(schema: Mapping[str, Any]) -> str:
    text = _STRINGS_BY_FORMAT.get(schema.get("format", ""), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any]) -> int | float:
    low = max(schema.get("minimum", float("-inf")), schema.get("exclusiveMinimum", float("-inf")) + 1)
    high = min(schema.get("maximum", float("inf")), schema.get("exclusiveMaximum", float("inf")) - 1)
    number: int | float = min(max(1, low), max(high, low))
    return number
