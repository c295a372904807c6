"""Budgets as an agent has them: those per run count one invocation of the agent, also across its interrupts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_costguard.budgets import Budget
from langchain_costguard.budgets.claims import Charge
from langchain_costguard.budgets.facts import CallFacts
from langchain_costguard.budgets.identity import MissingIdentityError, escaped
from langchain_costguard.guard.guard import run_counters
from langchain_costguard.middleware.watching import AGENTS
from langchain_costguard.tags import THREAD_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_costguard.stores.memory import InMemoryStore

KEY: Final = "costguard_allowance"
"""How the metadata keys begin by which a call says whose allowance it spends."""


class AgentBudget(Budget):
    """A budget per run whose runs are the invocations of one agent."""

    __slots__ = ("given", "run_key")

    given: Budget
    """The budget as the user gave it."""
    run_key: str
    """The metadata key that holds which run it is."""

    def __init__(self, budget: Budget, run_key: str, name: str) -> None:
        """Count the runs that a metadata key names.

        Args:
            budget: a budget per run.
            run_key: the key.
            name: the budget's name, of which there is no other.
        """
        _, (limit, arguments) = budget.__reduce__()
        super().__init__(limit, **{**arguments, "name": name})
        object.__setattr__(self, "given", budget)
        object.__setattr__(self, "run_key", run_key)

    def spent(self, facts: CallFacts) -> int:
        """What is charged to the counter of a run."""
        claim = self.claims(facts, 0, run_counters().now_us())[-1]
        states = run_counters().counters([claim.budget], since_us=claim.since_us)
        return sum(state.spent for state in states if state.counter == claim.counter)

    def forget(self, facts: CallFacts) -> bool:
        """Let go of the counter of a run that has ended; `False` while something of it is reserved."""
        claim = self.claims(facts, 0, 0)[-1]
        return cast("InMemoryStore", run_counters()).forget(claim.counter)

    def restore(self, facts: CallFacts, spent: int) -> None:
        """Bring the counter of a run that another process began to what was spent then."""
        missing = spent - self.spent(facts)
        if missing > 0:
            claim = self.claims(facts, missing, run_counters().now_us())[-1]
            run_counters().charge([Charge(claim, missing)])

    def _run(self, facts: CallFacts) -> str:
        # LangChain tells merged handlers in no certain order: one that asks may come before the one that labels
        run = facts.metadata.get(self.run_key) or AGENTS.allowance_here(self.run_key)
        if not isinstance(run, str):
            raise MissingIdentityError(self.key, None)
        return escaped(run)


def checked_budgets(budgets: Budget | Iterable[Budget]) -> tuple[Budget, ...]:
    """The budgets a user gives.

    Raises:
        TypeError: something among them is no budget.
        ValueError: there is none.
    """
    given: tuple[object, ...] = tuple(budgets) if isinstance(budgets, Iterable) else (budgets,)
    for one in given:
        if not isinstance(one, Budget):
            msg = f"{one!r} is no budget: give budgets=Budget(1, per='run'), or several in a list"
            raise TypeError(msg)
    if not given:
        msg = "an allowance has at least one budget: give budgets=Budget(1, per='run')"
        raise ValueError(msg)
    return cast("tuple[Budget, ...]", given)


def of_agent(budgets: Sequence[Budget], run_key: str, number: int) -> tuple[Budget, ...]:
    """The budgets with those per run made the agent's own.

    Args:
        budgets: as the user gave them.
        run_key: the metadata key that holds which run it is.
        number: tells this agent's budgets per run from those of others.
    """
    return tuple(
        budget
        if budget.outlives_process
        else AgentBudget(budget, run_key, f"agent {number}: {budget.name or budget.key}")
        for budget in budgets
    )


def spent_by(budgets: Iterable[Budget], metadata: Mapping[str, Any]) -> dict[str, int]:
    """What a run has spent of each budget per run, in nano-USD, tokens or calls, by the key its user gave it."""
    found: dict[str, int] = {}
    for budget in budgets:
        if isinstance(budget, AgentBudget):
            try:
                found[budget.given.key] = budget.spent(CallFacts(metadata=metadata))
            except MissingIdentityError:  # its calls are refused, so there is nothing to be kept
                continue
    return found


def restore(budgets: Iterable[Budget], metadata: Mapping[str, Any], spent: Mapping[str, int]) -> None:
    """Bring the counters of a run to what its checkpoint says was spent."""
    for budget in budgets:
        if isinstance(budget, AgentBudget) and spent.get(budget.given.key):
            try:
                budget.restore(CallFacts(metadata=metadata), spent[budget.given.key])
            except MissingIdentityError:  # its calls are refused
                continue


def forget(budgets: Iterable[Budget], metadata: Mapping[str, Any]) -> bool:
    """Let go of the counters of a run that has ended; `False` while something of them is reserved."""
    facts, are_gone = CallFacts(metadata=metadata), True
    for budget in budgets:
        if isinstance(budget, AgentBudget):
            try:
                are_gone = budget.forget(facts) and are_gone
            except MissingIdentityError:  # its calls were refused, so there is no counter
                continue
    return are_gone


def thread_key(budgets: Iterable[Budget]) -> str | None:
    """The metadata key by which a budget counts each thread, if one does."""
    return next((one.each for one in budgets if one.each in THREAD_KEYS and one.on_missing == "refuse"), None)
