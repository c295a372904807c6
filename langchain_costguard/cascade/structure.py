"""ValidStructure: whether an answer has the form that was asked for, and calls tools as they can be called."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from langchain_costguard.cascade.judging import LocalSignal
from langchain_costguard.cascade.wording import text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import AIMessage

    from langchain_costguard.cascade.verdicts import Draft, Verdict

_SHOWN_CHARACTERS = 120


@dataclass(frozen=True, repr=False)
class ValidStructure(LocalSignal):
    """Accepts an answer of the form that was asked for; it costs nothing.

    Every call of a tool must name a tool that is bound, with arguments its schema allows. Where a structured answer is
    asked for, the call or the text must fit its schema. A plain text where nothing else was asked for is accepted.

    Attributes:
        schema: what the answer must fit: a Pydantic class, a `TypedDict` or a JSON schema; `None` for the schema that
            the cascade was asked with (`with_structured_output`), if any.
    """

    schema: Any = field(default=None, hash=False)

    def judge(self, draft: Draft) -> Verdict:
        """Read the answer as it was asked for."""
        schema = draft.schema if self.schema is None else self.schema
        fault = _fault(draft.answer, schema, draft.tools)
        return self._verdict(fault is None, fault or "the answer has the form that was asked for")


def _fault(answer: AIMessage, schema: object, tools: Sequence[Any]) -> str | None:
    """What is wrong with the form of an answer, `None` if nothing is."""
    if answer.invalid_tool_calls:
        called = answer.invalid_tool_calls[0]
        return f"the call of {called.get('name')} cannot be read: {called.get('error') or 'its arguments are not JSON'}"
    offered: dict[str, object] = {_name(tool): tool for tool in tools}
    if schema is not None:
        offered[_name(schema)] = schema
    for call in answer.tool_calls:
        if call["name"] not in offered:
            return f"{call['name']} is called, which is not bound"
        fault = _misfit(call["args"], offered[call["name"]])
        if fault is not None:
            return f"{call['name']} is called wrongly: {fault}"
    return None if schema is None or answer.tool_calls else _text_fault(text_of(answer), schema)


def call_fault(answer: AIMessage, schema: object) -> str | None:
    """Why a structured answer cannot be read from the call of a tool, `None` if it can."""
    if not answer.tool_calls and not answer.invalid_tool_calls:
        return f"{_name(schema)} is not called"
    return _fault(answer, schema, ())


def value_fault(value: object, schema: Any) -> str | None:  # noqa: ANN401 - a schema of any kind
    """Why a parsed answer does not fit its schema, `None` if it does, or its parser has made sure that it does."""
    if isinstance(value, BaseModel) or (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None
    try:
        return _misfit(value, schema)
    except ValueError:  # a schema in a form that only its provider reads
        return None


def _text_fault(text: str, schema: object) -> str | None:
    try:
        value = json.loads(_unfenced(text))
    except (ValueError, RecursionError) as error:
        return f"the answer is not JSON: {error}"
    fault = _misfit(value, schema)
    return None if fault is None else f"the answer does not fit its schema: {fault}"


def _misfit(value: object, schema: Any) -> str | None:  # noqa: ANN401 - a tool or schema of any kind
    """Why a value does not fit a tool's or an answer's schema, `None` if it does."""
    model = getattr(schema, "tool_call_schema", schema)  # a LangChain tool: what a model must fill in
    if isinstance(model, type) and issubclass(model, BaseModel):
        try:
            model.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            return _short(f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}")
        return None
    return _misfit_of_json(value, model if _is_json_schema(model) else _parameters(model))


def _misfit_of_json(value: object, schema: Mapping[str, Any]) -> str | None:
    from jsonschema.validators import validator_for

    validator = validator_for(schema)(schema)
    error = next(iter(validator.iter_errors(value)), None)
    return None if error is None else _short(error.message)


def _name(tool: object) -> str:
    if isinstance(tool, dict) and _is_json_schema(tool):
        return str(tool.get("title") or "")
    return str(_function(tool).get("name") or "")


def _parameters(tool: object) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = _function(tool).get("parameters") or {"type": "object"}
    return parameters


def _function(tool: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever LangChain binds
    """A tool in OpenAI's form, without its wrapping; a provider's built-in tool has a type and no parameters."""
    converted = convert_to_openai_tool(tool)
    return converted.get("function") or {"name": converted.get("name") or converted.get("type")}


def _is_json_schema(schema: object) -> bool:
    """Whether it is the schema of a value itself, not a tool around one."""
    return isinstance(schema, dict) and "function" not in schema and ("properties" in schema or "$ref" in schema)


def _unfenced(text: str) -> str:
    """A text without the markdown fence models like to put round JSON."""
    bare = text.strip()
    if not (bare.startswith("```") and bare.endswith("```")):
        return bare
    return bare.removesuffix("```").partition("\n")[2]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
