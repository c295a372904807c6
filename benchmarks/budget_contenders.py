"""How each budget is asked and told, and a process that does so from many threads: ours and other packages'.

    python benchmarks/budget_contenders.py SYSTEM PLACE [--prepare | --attempts 20 | --seconds 3] [--threads 8]

`benchmarks/budgets.py` starts it. It says `ready`, waits for a line on its input, and prints its figures as JSON.
Packages are called as their own documentation does it; only those that a system needs are imported, so that the Python
of another environment can run it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

DOLLAR = 1_000_000_000
PROVIDER_SECONDS = 0.005
_USER = "u1"


class System(NamedTuple):
    """A budget of one dollar."""

    admit: Callable[[float], Any]
    """Asks for so many dollars; something true if the call may run."""
    book: Callable[[Any, float], object]
    """Tells it that a call that was admitted cost so many dollars."""
    spent: Callable[[], object]
    """What it says was spent, in dollars."""


def naive(_: str) -> System:
    """A sum in each process, looked at before a call and added to after it."""
    spent = [0.0]

    def book(_: object, dollars: float) -> None:
        spent[0] += dollars

    return System(lambda dollars: spent[0] + dollars <= 1 + 1e-9, book, lambda: spent[0])


def litellm(place: str) -> System:
    """`BudgetManager` with its local file, used as its documentation shows."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.chdir(place)  # its file is `user_cost.json` in the current folder
    import litellm as package

    model = "openai/bench"
    prices = {"input_cost_per_token": 1e-6, "output_cost_per_token": 0.0, "litellm_provider": "openai", "mode": "chat"}
    package.register_model({model: prices, "bench": prices})
    manager = package.BudgetManager(project_name="bench")
    if not manager.is_valid_user(_USER):
        manager.create_budget(total_budget=1.0, user=_USER)

    def book(_: object, dollars: float) -> None:
        answer = package.ModelResponse(model=model)
        tokens = round(dollars * 1_000_000)
        answer.usage = package.Usage(prompt_tokens=tokens, completion_tokens=0, total_tokens=tokens)
        manager.update_cost(user=_USER, completion_obj=answer)

    def spent() -> float:
        return float(manager.get_current_cost(_USER))

    return System(lambda _: spent() <= manager.get_total_budget(_USER), book, spent)


def figuard(place: str) -> System:
    """Its embedded client: authorize, then confirm."""
    import figuard as package

    database, _, token = place.partition("#")
    client = package.FiGuardClient(database=database)
    if not token:
        budget = client.create_budget(user_id=_USER, total_limit=1.0, currency="USD")
        token = budget.session_token
        sys.stdout.write(f"{token}\n{budget.id}\n")
    token, _, budget_id = token.partition("/")

    def admit(dollars: float) -> object:
        answer = client.authorize(session_token=token, requested_quantity=dollars, currency="USD")
        return answer if answer.is_authorized else None

    def spent() -> float:
        return float(client.get_budget(budget_id).quantity_spent)

    return System(admit, client.confirm, spent)


def costhelm(place: str) -> System:
    """Its controller's `admit`, and its ledger."""
    os.environ |= {"COSTHELM_CONFIG_DIR": place, "COSTHELM_GATEWAY_DB": f"{place}/gateway.sqlite"}
    Path(place, "budgets.yaml").write_text(
        f"policies:\n  - {{principal: 'user:{_USER}', limit_usd: 1.0, period: lifetime}}\n", encoding="utf-8"
    )
    from costhelm import db
    from costhelm.economics.budget import BudgetController
    from costhelm.economics.meter import Principal

    db.init()
    controller, who = BudgetController(), Principal(user=_USER)

    def admit(dollars: float) -> bool:
        return bool(controller.admit(who, dollars).allowed)

    def book(_: object, dollars: float) -> None:
        db.log_call(provider="openai", model="bench", user=_USER, usd=dollars)

    return System(admit, book, lambda: db.spend_usd("user", _USER))


def ours(place: str, *, has_headroom: bool = False) -> System:
    """A store of this package."""
    from langchain_costguard.budgets.claims import Charge, Reservation, Settlement
    from langchain_costguard.testing.claims import make_claim

    store = open_store(place, has_headroom=has_headroom)

    def admit(dollars: float) -> Reservation | None:
        claim = make_claim(round(dollars * DOLLAR), limit=DOLLAR)
        reservation = Reservation(uuid4().hex, (claim,))
        return reservation if store.reserve(reservation).is_admitted else None

    def book(held: Reservation, dollars: float) -> None:
        charges = (Charge(held.claims[0], round(dollars * DOLLAR)),)
        assert store.settle(Settlement(held.id, charges)).is_applied

    return System(admit, book, lambda: sum(state.spent for state in store.counters()) / DOLLAR)


def open_store(place: str, *, has_headroom: bool) -> Any:  # noqa: ANN401 - other environments lack the class
    """The store at a place, with patience for 32 contenders."""
    from langchain_costguard.stores import InMemoryStore, SQLStore
    from langchain_costguard.stores.headroom import HeadroomStore
    from langchain_costguard.stores.redis import RedisBudgetStore

    if place == "memory":
        store: Any = InMemoryStore(max_entries=10**9)
    elif place.startswith("redis:"):
        store = RedisBudgetStore(place, timeout_seconds=60)
    else:
        store = SQLStore(place, timeout_seconds=60)
    return HeadroomStore(store) if has_headroom else store


def with_headroom(place: str) -> System:
    """A store of this package, with headroom leased from it."""
    return ours(place, has_headroom=True)


SYSTEMS: dict[str, Callable[[str], System]] = {
    "ours": ours,
    "headroom": with_headroom,
    "naive": naive,
    "litellm": litellm,
    "figuard": figuard,
    "costhelm": costhelm,
}


class Attempts(NamedTuple):
    """What one thread saw."""

    ran: int
    errors: int
    waits: list[float]
    """Seconds of each question and each booking."""


def attempt(system: System, attempts: int) -> Attempts:
    """Try to make calls of a cent."""
    ran, errors, waits = 0, 0, []
    for _ in range(attempts):
        start = time.perf_counter()
        try:
            held = system.admit(0.01)
        except Exception:  # noqa: BLE001 - whatever a package raises, its caller makes no call
            held, errors = None, errors + 1
        waits.append(time.perf_counter() - start)
        if not held:
            continue
        time.sleep(PROVIDER_SECONDS)
        ran += 1
        start = time.perf_counter()
        try:
            system.book(held, 0.01)
        except Exception:  # noqa: BLE001 - as above; the call was made
            errors += 1
        waits.append(time.perf_counter() - start)
    return Attempts(ran, errors, waits)


def contend(place: str, seconds: float, *, has_headroom: bool) -> Callable[[], list[float]]:
    """What one thread does that spends without limit for so long: reserve, settle and write a line."""
    from budget_speed import SAMPLE, Keeper
    from store import lines

    keeper = Keeper(open_store(place, has_headroom=has_headroom))
    ((_, line),) = lines(1)

    def spend() -> list[float]:
        waits, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            call = keeper.call(SAMPLE, line)
            start = time.perf_counter()
            keeper.keep(call)
            waits.append(time.perf_counter() - start)
        return waits

    return spend


def main() -> None:
    """Get ready, begin when told, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("place")
    parser.add_argument("--prepare", action="store_true", help="only make what the others then open")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--attempts", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.0, help="spend without limit for so long instead")
    parser.add_argument("--sub-cent", type=float, default=0.0, help="try 30,000 calls of $0.00004, for so long at most")
    options = parser.parse_args()
    if options.seconds:
        work: Callable[[], Any] = contend(options.place, options.seconds, has_headroom=options.system == "headroom")
    else:
        system = SYSTEMS[options.system](options.place)
        if options.prepare:
            return
        if options.sub_cent:
            print(json.dumps(sub_cent(system, options.sub_cent)))
            return
        work = lambda: attempt(system, options.attempts)  # noqa: E731 - the other branch gives a function
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.monotonic()
    with ThreadPoolExecutor(options.threads) as threads:
        done = [future.result() for future in [threads.submit(work) for _ in range(options.threads)]]
    print(json.dumps({"begun": begun, "ended": time.monotonic(), "threads": done}))


def sub_cent(system: System, seconds: float, calls: int = 30_000, dollars: float = 0.00004) -> dict[str, object]:
    """Try to make calls that cost less than a hundredth of a cent, one after another."""
    tried = ran = 0
    begun = time.monotonic()
    while tried < calls and time.monotonic() - begun < seconds:
        tried += 1
        held = system.admit(dollars)
        if held:
            system.book(held, dollars)
            ran += 1
    wall = time.monotonic() - begun
    return {"tried": tried, "ran": ran, "recorded_dollars": system.spent(), "wall_s": round(wall, 2)}


if __name__ == "__main__":
    main()
