"""What the provider does with a request: refuse it, or answer it by the script, bill it and remember it."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from decimal import Decimal
from http import HTTPStatus
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from langchain_costguard.testing.loopback.answers import Answer, answer_choices
from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.endpoints import ENDPOINTS
from langchain_costguard.testing.loopback.errors import RequestRefused, error_body, scripted_error
from langchain_costguard.testing.loopback.prefix_cache import PrefixCache
from langchain_costguard.testing.loopback.prices import PRICES, REASONING_MODELS, SNAPSHOTS, ModelPrice
from langchain_costguard.testing.loopback.prompts import text_prompts
from langchain_costguard.testing.loopback.records import LoopbackRequest, TokenBill
from langchain_costguard.testing.loopback.responses_api import response_id
from langchain_costguard.testing.loopback.server import Delivery
from langchain_costguard.testing.loopback.texts import embedding_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_costguard.testing.loopback.answers import Choice
    from langchain_costguard.testing.loopback.endpoints import Endpoint

_MAX_HELD_RESPONSES: Final = 1000
_STANDARD_TIERS: Final = (None, "auto", "default")
_FREE: Final = Decimal(0)


class LoopbackService:
    """The provider without its sockets. Safe to use from many threads.

    Args:
        usual_reply: the answer where the script has none, or a function of the request's body.
        prices: models beside the provider's own.
        keep_bodies: whether requests are remembered with their content.
        report_cost: whether usage carries `cost`, as OpenRouter's does.
    """

    def __init__(
        self,
        *,
        usual_reply: str | Callable[[Mapping[str, Any]], str],
        prices: Mapping[str, ModelPrice],
        keep_bodies: bool,
        report_cost: bool,
    ) -> None:
        """Begin with an empty script and an empty cache."""
        self.script: deque[Behaviour] = deque()
        self._usual_reply = usual_reply
        self._prices = {**PRICES, **{model: {"default": price} for model, price in prices.items()}}
        self._aliases = {snapshot: alias for alias, snapshot in SNAPSHOTS.items()}
        self._keep_bodies = keep_bodies
        self._report_cost = report_cost
        self._cache = PrefixCache()
        self._held: OrderedDict[str, list[str]] = OrderedDict()
        self._numbers = count(1)
        self._requests: list[LoopbackRequest] = []
        self._lock = Lock()

    @property
    def requests(self) -> tuple[LoopbackRequest, ...]:
        """What was received so far, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    def handle(self, method: str, path: str, content: bytes) -> Delivery:
        """Serve one request."""
        if method == "GET":
            return self._models(path)
        body: Mapping[str, Any] = {}
        try:
            body = _parsed(content)
            return self._embedding(path, body) if path == "/v1/embeddings" else self._answer(path, body)
        except RequestRefused as refusal:
            self._note(path, body, refusal.status)
            return Delivery(status=refusal.status, body=refusal.body)
        except Exception as error:  # noqa: BLE001 - a reply function, or a body of an odd shape: the client must hear of it
            self._note(path, body, HTTPStatus.INTERNAL_SERVER_ERROR)
            message = f"The loopback provider could not answer: {type(error).__name__}: {error}"
            return Delivery(status=HTTPStatus.INTERNAL_SERVER_ERROR, body=error_body(message, "server_error"))

    def _models(self, path: str) -> Delivery:
        if path != "/v1/models":
            return Delivery(status=HTTPStatus.NOT_FOUND, body=RequestRefused(404, f"Nothing is served at {path}.").body)
        rows = [{"id": model, "object": "model", "created": 0, "owned_by": "loopback"} for model in self._prices]
        return Delivery(body={"object": "list", "data": rows})

    def _answer(self, path: str, body: Mapping[str, Any]) -> Delivery:
        endpoint = ENDPOINTS.get(path)
        if endpoint is None:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"Nothing is served at {path}.")
        model, tier = self._model_of(body, endpoint.required)
        behaviour = self._next_behaviour()
        tier = behaviour.service_tier or tier
        price = self._price(model, tier)
        prompt = self._history(body) + endpoint.prompt(body)
        choices = answer_choices(
            endpoint.wish(body), behaviour, self._reply_to(body), is_reasoning=model in REASONING_MODELS
        )
        tokens = self._tokens(model, price, prompt, choices, behaviour)
        bill = price.bill(tokens.input_tokens, tokens.cached_tokens, tokens.output_tokens)
        answer = Answer(
            id=f"loopback-{next(self._numbers)}",
            model=SNAPSHOTS.get(model, model),
            service_tier=tier,
            choices=choices,
            tokens=tokens,
            behaviour=behaviour,
            reported_cost=float(bill) if self._report_cost else None,  # on the wire a JSON number; the bill stays exact
        )
        self._hold(answer, prompt)
        return self._delivered(path, body, endpoint, answer, bill)

    def _delivered(
        self, path: str, body: Mapping[str, Any], endpoint: Endpoint, answer: Answer, bill: Decimal
    ) -> Delivery:
        """Bill the answer and send it, late or in part or not at all, as the script says."""
        behaviour = answer.behaviour
        owed = bill * (1 + behaviour.hidden_retries) if behaviour.is_billed else bill * behaviour.hidden_retries
        tokens = answer.tokens if behaviour.is_billed else TokenBill()
        self._note(path, body, behaviour.status, owed, tokens, answer.service_tier)
        if behaviour.is_error:
            return _scripted_refusal(behaviour)
        streamed = bool(body.get("stream"))
        return Delivery(
            body=None if streamed else endpoint.whole(answer, body),
            frames=list(endpoint.frames(answer, body)) if streamed else None,
            latency_seconds=behaviour.latency_seconds,
            drop_after_frames=behaviour.drop_after_chunks,
        )

    def _embedding(self, path: str, body: Mapping[str, Any]) -> Delivery:
        model, tier = self._model_of(body, "input")
        behaviour = self._next_behaviour()
        prompts = text_prompts(body["input"])
        tokens = TokenBill(sum(len(prompt) for prompt in prompts))
        bill = self._price(model, tier).bill(tokens.input_tokens, 0, 0) * (
            behaviour.is_billed + behaviour.hidden_retries
        )
        self._note(path, body, behaviour.status, bill, tokens if behaviour.is_billed else TokenBill(), tier)
        if behaviour.is_error:
            return _scripted_refusal(behaviour)
        return Delivery(
            body=embedding_object(prompts, model, body),
            latency_seconds=behaviour.latency_seconds,
            drop_after_frames=behaviour.drop_after_chunks,
        )

    def _model_of(self, body: Mapping[str, Any], required: str) -> tuple[str, str]:
        """The model and the tier that are asked for, if both are to be had."""
        if not body.get(required):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"Missing required parameter: '{required}'.", param=required)
        asked = str(body.get("model"))
        model = self._aliases.get(asked, asked)
        if model not in self._prices:
            message = f"The model '{asked}' does not exist: give LoopbackProvider(prices=...) its price."
            raise RequestRefused(HTTPStatus.NOT_FOUND, message, code="model_not_found", param="model")
        tier = body.get("service_tier")
        tier = "default" if tier in _STANDARD_TIERS else str(tier)
        self._price(model, tier)
        return model, tier

    def _price(self, model: str, tier: str) -> ModelPrice:
        price = self._prices[model].get(tier)
        if price is None:
            message = f"Invalid service_tier argument: {model} is not offered as '{tier}'."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, param="service_tier")
        return price

    def _next_behaviour(self) -> Behaviour:
        try:
            return self.script.popleft()
        except IndexError:
            return Behaviour()

    def _reply_to(self, body: Mapping[str, Any]) -> str:
        return self._usual_reply(body) if callable(self._usual_reply) else self._usual_reply

    def _tokens(
        self, model: str, price: ModelPrice, prompt: Sequence[str], choices: Sequence[Choice], behaviour: Behaviour
    ) -> TokenBill:
        cached = behaviour.cached_tokens
        if cached is None:
            has_cache = price.cached_usd_per_mtok is not None and behaviour.is_billed
            cached = self._cache.read(model, prompt) if has_cache else 0
        written = sum(choice.output_tokens for choice in choices)
        return TokenBill(len(prompt), cached, written, sum(choice.reasoning_tokens for choice in choices))

    def _history(self, body: Mapping[str, Any]) -> list[str]:
        """The tokens of the conversation that a request only names by `previous_response_id`: they are billed again."""
        previous = body.get("previous_response_id")
        if not previous:
            return []
        with self._lock:
            held = self._held.get(previous)
        if held is None:
            message = f"Previous response with id '{previous}' not found."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, code="previous_response_not_found")
        return held

    def _hold(self, answer: Answer, prompt: list[str]) -> None:
        with self._lock:
            self._held[response_id(answer)] = [*prompt, *answer.choices[0].tokens]
            while len(self._held) > _MAX_HELD_RESPONSES:
                self._held.popitem(last=False)

    def _note(
        self,
        path: str,
        body: Mapping[str, Any],
        status: int,
        billed: Decimal = _FREE,
        tokens: TokenBill = TokenBill(),  # noqa: B008 - a value without state
        tier: str | None = None,
    ) -> None:
        request = LoopbackRequest(
            path=path,
            status=int(status),
            billed=billed,
            model=body.get("model"),
            service_tier=tier,
            stream=bool(body.get("stream")),
            tokens=tokens,
            body_keys=tuple(sorted(body)),
            body=body if self._keep_bodies else None,
        )
        with self._lock:
            self._requests.append(request)


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The body of a request must be a JSON object.")
    return body


def _scripted_refusal(behaviour: Behaviour) -> Delivery:
    wait = behaviour.retry_after_seconds
    return Delivery(
        status=behaviour.status,
        body=scripted_error(behaviour.status),
        headers={} if wait is None else {"retry-after": f"{wait:g}"},
        latency_seconds=behaviour.latency_seconds,
    )
