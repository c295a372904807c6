"""The parts the fakes are made of: their tokenizer, and the values they fill a schema with."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest

from langchain_costguard.testing.json_schema import fill_schema
from langchain_costguard.testing.tokenizer import split_evenly, tokenize


@pytest.mark.parametrize("seed", range(20))
def test_tokens_join_to_the_text_and_are_fewer_than_its_bytes(seed: int) -> None:
    """Budgets reserve on the byte bound: a fake provider that bills more tokens than bytes would break them."""
    dice = random.Random(seed)
    text = "".join(dice.choice("ab c\n\t ,.é中👩" + chr(dice.randrange(0x20, 0xD800))) for _ in range(300))
    tokens = tokenize(text)
    assert "".join(tokens) == text
    assert len(tokens) <= len(text.encode())


def test_splitting_keeps_the_text_and_the_number_of_parts() -> None:
    """Streams of n chunks must say the same as the whole answer."""
    assert split_evenly("one two three four", 2) == ["one two", " three four"]
    assert "".join(split_evenly("ab", 5)) == "ab"
    assert len(split_evenly("ab", 5)) == 5


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"const": 3}}},
    {"type": "array", "items": {"type": "number", "maximum": 0}, "minItems": 3},
    {"type": "string", "minLength": 10, "maxLength": 12},
    {"anyOf": [{"type": "null"}, {"type": "boolean"}]},
    {"type": ["null", "integer"], "exclusiveMinimum": 1, "exclusiveMaximum": 3},
    {"type": "object", "properties": {}},
    {"type": "null"},
    {
        "$defs": {"Leaf": {"type": "object", "properties": {"v": {"type": "string"}}, "required": ["v"]}},
        "type": "object",
        "properties": {"leaf": {"$ref": "#/$defs/Leaf"}, "all": {"allOf": [{"$ref": "#/$defs/Leaf"}]}},
        "required": ["leaf", "all"],
    },
    {
        "$defs": {
            "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
        },
        "$ref": "#/$defs/Tree",
    },
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_filled_schema_is_valid_and_always_the_same(schema: dict[str, Any]) -> None:
    """Structured output over a fake must parse, and a test must be repeatable."""
    value = fill_schema(schema)
    jsonschema.validate(value, schema)
    assert value == fill_schema(schema)
