"""What the provider does with a request: refuse it, or answer it by the script, bill it and remember it."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_costguard.testing.loopback.answers import Answer, answer_choices
from langchain_costguard.testing.loopback.behaviour import Behaviour
from langchain_costguard.testing.loopback.damage import damaged
from langchain_costguard.testing.loopback.endpoints import ENDPOINTS
from langchain_costguard.testing.loopback.errors import RequestRefused, anthropic_error, error_body, scripted_error
from langchain_costguard.testing.loopback.parameters import known_parameters
from langchain_costguard.testing.loopback.prefix_cache import PrefixCache
from langchain_costguard.testing.loopback.prices import BATCH_PRICES, PRICES, REASONING_MODELS, SNAPSHOTS, ModelPrice
from langchain_costguard.testing.loopback.prompts import text_prompts
from langchain_costguard.testing.loopback.records import LoopbackRequest, TokenBill
from langchain_costguard.testing.loopback.responses_api import response_id
from langchain_costguard.testing.loopback.server import Delivery
from langchain_costguard.testing.loopback.texts import embedding_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from langchain_costguard.testing.loopback.answers import Choice
    from langchain_costguard.testing.loopback.server import Incoming

_MAX_HELD_RESPONSES: Final = 1000
_STANDARD_TIERS: Final = (None, "auto", "default", "standard_only")
_EMBEDDINGS: Final = "/v1/embeddings"
_FREE: Final = Decimal(0)


class BatchItem(NamedTuple):
    """One request of a batch."""

    batch_id: str
    """The batch."""
    custom_id: str
    """Its name in the batch."""
    path: str
    """The endpoint."""
    body: Mapping[str, Any]
    """The request."""


class _Served(NamedTuple):
    """What a request gets and what it costs."""

    whole: Callable[[], dict[str, Any]]
    frames: Callable[[], Iterator[bytes]] | None
    owed: Decimal
    tokens: TokenBill
    tier: str


class LoopbackService:
    """The provider without its sockets. Safe to use from many threads.

    Args:
        usual_reply: the answer where the script has none, or a function of the request's body.
        prices: models beside the provider's own.
        behave: says how a request is served that the script says nothing about.
        keep_bodies: whether requests are remembered with their content.
        report_cost: whether usage carries `cost`, as OpenRouter's does.
    """

    def __init__(
        self,
        *,
        usual_reply: str | Callable[[Mapping[str, Any]], str],
        prices: Mapping[str, ModelPrice],
        behave: Callable[[Mapping[str, Any]], Behaviour | None] | None = None,
        keep_bodies: bool,
        report_cost: bool,
    ) -> None:
        """Begin with an empty script and an empty cache."""
        self.script: deque[Behaviour] = deque()
        self._usual_reply = usual_reply
        self._behave = behave
        self._prices = {**PRICES, **{model: {"default": price} for model, price in prices.items()}}
        self._batch_prices = {**BATCH_PRICES, **{model: price.halved() for model, price in prices.items()}}
        self._aliases = {snapshot: alias for alias, snapshot in SNAPSHOTS.items()}
        self._keep_bodies = keep_bodies
        self._report_cost = report_cost
        self._cache = PrefixCache()
        self._held: OrderedDict[str, list[str]] = OrderedDict()
        self._numbers = count(1)
        self._requests: list[LoopbackRequest] = []
        self._items: list[LoopbackRequest] = []
        self._billed = _FREE
        self._lock = Lock()

    @property
    def requests(self) -> tuple[LoopbackRequest, ...]:
        """What was received so far, in the order of arrival."""
        with self._lock:
            return tuple(self._requests)

    @property
    def billed(self) -> Decimal:
        """What everything cost together, requests that are forgotten included."""
        with self._lock:
            return self._billed

    def take_requests(self) -> tuple[LoopbackRequest, ...]:
        """What was received so far, which is forgotten."""
        with self._lock:
            taken, self._requests = tuple(self._requests), []
            return taken

    @property
    def items(self) -> tuple[LoopbackRequest, ...]:
        """The requests of batches that were answered or refused so far."""
        with self._lock:
            return tuple(self._items)

    def handle(self, incoming: Incoming) -> Delivery:
        """Serve one request."""
        path = incoming.path
        if incoming.method == "GET":
            return self._models(path)
        body: Mapping[str, Any] = {}
        try:
            body = parsed(incoming.content)
            return self._serve(path, body)
        except RequestRefused as refusal:
            self.note(LoopbackRequest(path=path, status=refusal.status, billed=_FREE, **self._about(body)))
            return Delivery(status=refusal.status, body=_in_the_form_of(path, refusal.status, refusal.body))
        except Exception as error:  # noqa: BLE001 - a reply function, or a body of an odd shape: the client must hear of it
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            self.note(LoopbackRequest(path=path, status=status, billed=_FREE, **self._about(body)))
            message = f"The loopback provider could not answer: {type(error).__name__}: {error}"
            return Delivery(status=status, body=_in_the_form_of(path, status, error_body(message, "server_error")))

    def answer_item(self, item: BatchItem, behaviour: Behaviour) -> tuple[int, dict[str, Any]]:
        """Answer and bill one request of a batch.

        Returns:
            Its HTTP status and its answer or error.
        """
        about = {**self._about(item.body), "batch_id": item.batch_id, "custom_id": item.custom_id}
        try:
            _refuse_unknown(item)
            served = self._served(item.path, item.body, behaviour, in_batch=True)
        except RequestRefused as refusal:
            status, body, billed, tokens = refusal.status, refusal.body, _FREE, TokenBill()
        except Exception as error:  # noqa: BLE001 - as above: one odd request must not end the batch
            status, billed, tokens = HTTPStatus.BAD_REQUEST, _FREE, TokenBill()
            body = error_body(f"Invalid request: {type(error).__name__}: {error}", "invalid_request_error")
        else:
            status, billed, tokens = behaviour.status, served.owed, served.tokens
            body = scripted_error(status) if behaviour.is_error else served.whole()
        line = LoopbackRequest(
            path=item.path, status=status, billed=billed, tokens=tokens, service_tier="batch", **about
        )
        with self._lock:
            self._items.append(line)
            self._billed += line.billed
        return status, _in_the_form_of(item.path, status, body)

    def prompt_tokens(self, path: str, body: Mapping[str, Any]) -> int:
        """The input tokens of a request."""
        if path == _EMBEDDINGS:
            return sum(map(len, text_prompts(body["input"])))
        return len(ENDPOINTS[path].prompt(body))

    def is_in_batches(self, model: object) -> bool:
        """Whether a model is served in batches."""
        asked = str(model)
        return self._aliases.get(asked, asked) in self._batch_prices

    def _models(self, path: str) -> Delivery:
        if path != "/v1/models":
            return Delivery(status=HTTPStatus.NOT_FOUND, body=RequestRefused(404, f"Nothing is served at {path}.").body)
        rows = [{"id": model, "object": "model", "created": 0, "owned_by": "loopback"} for model in self._prices]
        return Delivery(body={"object": "list", "data": rows})

    def _serve(self, path: str, body: Mapping[str, Any]) -> Delivery:
        """Bill the answer and send it, late or in part or not at all, as the script says."""
        if path != _EMBEDDINGS and path not in ENDPOINTS:
            raise RequestRefused(HTTPStatus.NOT_FOUND, f"Nothing is served at {path}.")
        self._model_of(body, _required(path))
        behaviour = self._next_behaviour(body)
        served = self._served(path, body, behaviour, in_batch=False)
        self.note(
            LoopbackRequest(
                path=path,
                status=behaviour.status,
                billed=served.owed,
                tokens=served.tokens,
                service_tier=served.tier,
                **self._about(body),
            )
        )
        if behaviour.is_error:
            return scripted_refusal(path, behaviour)
        streamed = bool(body.get("stream")) and served.frames is not None
        delivery = Delivery(
            body=None if streamed else served.whole(),
            frames=list(served.frames()) if streamed and served.frames is not None else None,
            latency_seconds=behaviour.latency_seconds,
            drop_after_frames=behaviour.drop_after_chunks,
            chunk_seconds=behaviour.chunk_seconds,
            resets=behaviour.resets,
        )
        return delivery if behaviour.damage is None else damaged(delivery, behaviour.damage)

    def _served(self, path: str, body: Mapping[str, Any], behaviour: Behaviour, *, in_batch: bool) -> _Served:
        """What a request gets and what it costs."""
        model, tier = self._model_of(body, _required(path))
        tier = _batch_tier(path) if in_batch else behaviour.service_tier or tier
        price = self._batch_price(model) if in_batch else self._price(model, tier)
        if path == _EMBEDDINGS:
            return _embedded(model, tier, price, body, behaviour)
        endpoint = ENDPOINTS[path]
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
        return _Served(
            partial(endpoint.whole, answer, body),
            partial(endpoint.frames, answer, body),
            _owed(bill, behaviour),
            tokens if behaviour.is_billed else TokenBill(),
            tier,
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

    def _batch_price(self, model: str) -> ModelPrice:
        price = self._batch_prices.get(model)
        if price is None:
            message = f"The model '{model}' is not supported by the Batch API."
            raise RequestRefused(HTTPStatus.BAD_REQUEST, message, code="model_not_found", param="model")
        return price

    def _next_behaviour(self, body: Mapping[str, Any]) -> Behaviour:
        try:
            return self.script.popleft()
        except IndexError:
            return (self._behave(body) if self._behave is not None else None) or Behaviour()

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

    def note(self, request: LoopbackRequest) -> None:
        """Remember a request."""
        with self._lock:
            self._requests.append(request)
            self._billed += request.billed

    def _about(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """What is remembered of a body."""
        return {
            "model": body.get("model"),
            "stream": bool(body.get("stream")),
            "body_keys": tuple(sorted(body)),
            "body": body if self._keep_bodies else None,
        }


def parsed(content: bytes) -> Mapping[str, Any]:
    """The JSON object of a request's body.

    Raises:
        RequestRefused: it is none.
    """
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The body of a request must be a JSON object.")
    return body


def scripted_refusal(path: str, behaviour: Behaviour) -> Delivery:
    """The error that a script asked for."""
    wait = behaviour.retry_after_seconds
    return Delivery(
        status=behaviour.status,
        body=_in_the_form_of(path, behaviour.status, scripted_error(behaviour.status)),
        headers={} if wait is None else {"retry-after": f"{wait:g}"},
        latency_seconds=behaviour.latency_seconds,
    )


def _in_the_form_of(path: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    """A body that may be an error, in the form of the API that was asked."""
    return anthropic_error(status, body) if path.startswith("/v1/messages") and body.get("error") else body


def _refuse_unknown(item: BatchItem) -> None:
    """A misspelt parameter is refused, as the real providers do, and only when its turn has come."""
    known = known_parameters(item.path)
    for name in sorted(set(item.body) - known) if known is not None else ():
        message = f"Unknown parameter: '{name}'."
        raise RequestRefused(HTTPStatus.BAD_REQUEST, message, code="unknown_parameter", param=name)


def _batch_tier(path: str) -> str:
    """The tier that an answer in a batch names: only Anthropic says that it was one."""
    return "batch" if path.startswith("/v1/messages") else "default"


def _required(path: str) -> str:
    return "input" if path == _EMBEDDINGS else ENDPOINTS[path].required


def _owed(bill: Decimal, behaviour: Behaviour) -> Decimal:
    return bill * (behaviour.is_billed + behaviour.hidden_retries)


def _embedded(model: str, tier: str, price: ModelPrice, body: Mapping[str, Any], behaviour: Behaviour) -> _Served:
    prompts = text_prompts(body["input"])
    tokens = TokenBill(sum(len(prompt) for prompt in prompts))
    return _Served(
        partial(embedding_object, prompts, model, body),
        None,
        _owed(price.bill(tokens.input_tokens, 0, 0), behaviour),
        tokens if behaviour.is_billed else TokenBill(),
        tier,
    )
