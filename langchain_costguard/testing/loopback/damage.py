"""How an answer that was billed is damaged before it is sent: what is missing, doubled, misnamed or no JSON at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_costguard.testing.loopback.server import Delivery

Damage = Literal[
    "malformed_json",
    "wrong_content_type",
    "no_usage",
    "dirty_usage",
    "zero_usage",
    "usage_twice",
    "no_choices",
    "no_end",
]
"""What is wrong with an answer.

- `"malformed_json"`: its JSON ends in the middle; of a stream the last but one event does.
- `"wrong_content_type"`: a gateway's page in HTML, with status 200, in its place.
- `"no_usage"`: nothing says how many tokens it took.
- `"dirty_usage"`: its numbers of tokens are below zero.
- `"zero_usage"`: they are all 0.
- `"usage_twice"`: a stream tells its usage twice; any other answer is whole.
- `"no_choices"`: it says what it took, but holds no answer.
- `"no_end"`: a stream stops without the event that ends it; any other answer is whole.
"""

DAMAGES: Final[tuple[Damage, ...]] = get_args(Damage)
"""All of them."""

_PAGE: Final = b"<html><body><h1>The gateway is being mended.</h1></body></html>"
_ANSWERS: Final = ("choices", "content", "output")
"""What holds the answer in the wire formats of chat, messages and responses."""
_LAST: Final = (b"[DONE]", b'"message_stop"', b'"response.completed"')
_CONTENT_EVENTS: Final = (b'"content_block', b'"response.output', b'"response.content')
_WORDS: Final = b'"usage": {'


def damaged(delivery: Delivery, damage: Damage) -> Delivery:
    """What arrives of an answer.

    Args:
        delivery: the answer as it should be.
        damage: what is wrong with it.
    """
    if damage == "wrong_content_type":
        return replace(delivery, body=None, frames=None, content=_PAGE, content_type="text/html")
    if delivery.frames is None:
        return _damaged_whole(delivery, damage)
    return replace(delivery, frames=list(_damaged_frames(delivery.frames, damage)))


def _damaged_whole(delivery: Delivery, damage: Damage) -> Delivery:
    if damage == "malformed_json":
        content = json.dumps(delivery.body).encode()
        return replace(delivery, body=None, content=content[: len(content) // 2], content_type="application/json")
    edit = _EDITS.get(damage)
    return delivery if edit is None else replace(delivery, body=edit(delivery.body))


def _damaged_frames(frames: Sequence[bytes], damage: Damage) -> Iterator[bytes]:
    edit = _EDITS.get(damage)
    for index, frame in enumerate(frames):
        if damage == "malformed_json" and index == len(frames) - 2:
            yield frame[: len(frame) // 2] + b"\n\n"
        elif damage == "no_end" and any(word in frame for word in _LAST):
            return
        elif damage == "no_choices" and any(word in frame for word in _CONTENT_EVENTS):
            continue
        elif edit is not None and b"[DONE]" not in frame:
            head, mark, data = frame.partition(b"data: ")
            yield head + mark + json.dumps(edit(json.loads(data))).encode() + b"\n\n"
        else:
            yield frame
            if damage == "usage_twice" and _WORDS in frame:
                yield frame


def _without_usage(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _without_usage(inner) for name, inner in value.items() if name != "usage"}
    return [_without_usage(inner) for inner in value] if isinstance(value, list) else value


def _with_counts(number: Callable[[int], Any]) -> Callable[[Any], Any]:
    """An edit that puts another value in the place of every number of tokens."""

    def edit(value: Any, *, is_usage: bool = False) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(value, dict):
            return {name: edit(inner, is_usage=is_usage or name == "usage") for name, inner in value.items()}
        if isinstance(value, list):
            return [edit(inner, is_usage=is_usage) for inner in value]
        return number(value) if is_usage and isinstance(value, int) else value

    return edit


def _without_answer(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return value
    return {
        name: [] if name in _ANSWERS and isinstance(inner, list) else _without_answer(inner)
        for name, inner in value.items()
    }


_EDITS: Final[dict[str, Callable[[Any], Any]]] = {
    "no_usage": _without_usage,
    "dirty_usage": _with_counts(lambda number: -number - 1),
    "zero_usage": _with_counts(lambda _: 0),
    "no_choices": _without_answer,
}
