"""`budgets`: what counters hold, and an operator's hand on limits, each change kept with when and by whom."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand

from langchain_costguard.cli import options  # noqa: TC001 - typer reads the annotations
from langchain_costguard.cli.budget_stores import budget_store, known_budgets, meant_budget
from langchain_costguard.cli.console import EXIT_CODES, epilog, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from langchain_costguard.budgets.claims import BudgetChange, BudgetSetting, Unit
    from langchain_costguard.cli.budget_rows import CounterRow

SHOW_EPILOG: Final = epilog("budgets show", "budgets show usd/day --history", "budgets show --store costs.db --json")
SET_EPILOG: Final = epilog(
    "budgets set usd/day 25", "budgets set tokens/month 2000000 --tokens --by alice", "budgets set checkout 5 --new"
)
FREEZE_EPILOG: Final = epilog('budgets freeze usd/day --reason "runaway agent"')
UNFREEZE_EPILOG: Final = epilog("budgets unfreeze usd/day --store costs.db")

_BELOW_ZERO: Final = re.compile(r"-[0-9.][0-9.,_e]*")

Key = Annotated[str, typer.Argument(metavar="KEY", help="The budget, as `budgets show` names it.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who changes it. Default: the user logged in.")]
IsNew = Annotated[bool, typer.Option("--new", help="The budget was not used yet, so that the store does not know it.")]

app: typer.Typer = typer.Typer(
    help="See what budgets have spent and reserved, change their limits, and stop them.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(epilog=SHOW_EPILOG)
def show(
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only this budget.")] = None,
    *,
    store: options.Store = None,
    history: Annotated[bool, typer.Option("--history", help="Operators' changes as well, oldest first.")] = False,
    every_window: Annotated[
        bool, typer.Option("--all", help="Every window that is kept, not only the newest of each counter.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Print what the counters hold, each in the newest window in which it was used.

    Limits stand in the code; a limit is shown where an operator has set another one.
    """
    from langchain_costguard.cli.budget_rows import rows_of

    with closing(budget_store(store)) as kept:
        if key is not None:
            meant_budget(kept, key, is_new=False)
        units = known_budgets(kept)
        settings = [each for each in kept.settings() if key in {None, each.budget}]
        counters = kept.counters(None if key is None else [key])
        rows = rows_of(counters, settings, kept.now_us(), every_window=every_window)
        changes = kept.changes(key) if history else None
        location = kept.location
    if as_json:
        from langchain_costguard.cli.budget_rows import change_dict, row_dict

        found = {
            "location": location,
            "counters": [row_dict(row) for row in rows],
            "settings": [_setting(each, units[each.budget]) for each in settings],
        }
        noted = {} if changes is None else {"changes": [change_dict(each, units.get(each.budget)) for each in changes]}
        print_json(found | noted)
    else:
        from langchain_costguard.cli.budget_rows import unused

        _print_rows(rows, unused(settings, rows, units), location)
        _print_changes(changes, units)


class _SetCommand(TyperCommand):
    """`set`, to which a number below zero is a limit, to be refused as one, and no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - of click, or of its copy in typer
        """Put such numbers behind `--`, where nothing is an option."""
        below_zero = [] if "--" in args else [arg for arg in args if _BELOW_ZERO.fullmatch(arg)]
        if below_zero:
            args = [*(arg for arg in args if arg not in below_zero), "--", *below_zero]
        return super().parse_args(ctx, args)


@app.command("set", cls=_SetCommand, epilog=SET_EPILOG)
def set_(
    key: Key,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="US dollars, or with --tokens or --calls how many.")],
    *,
    store: options.Store = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="LIMIT is a number of tokens.")] = False,
    calls: Annotated[bool, typer.Option("--calls", help="LIMIT is a number of calls.")] = False,
    by: By = None,
    is_new: IsNew = False,
    as_json: options.AsJson = False,
) -> None:
    """Set the limit of a budget, in place of the one in the code, for every process that shares the store.

    It counts from the next call on; what is spent stays spent. A budget that an overrun has frozen admits calls again.
    """
    from langchain_costguard.budgets.claims import BudgetChange
    from langchain_costguard.cli.budget_rows import amount, safe

    unit = _typed_unit(tokens=tokens, calls=calls)
    number = _limit(limit, unit)
    with closing(budget_store(store, may_begin=is_new)) as kept:
        _check_unit(key, unit, meant_budget(kept, key, is_new=is_new))
        change = BudgetChange(key, "set", 0, _name(by), number)
        kept.change(change)
        location = kept.location
    said = f"The limit of {key} is {amount(number, unit)} from now on, set by {change.by}"
    _tell(said, change, location, safe(number, unit), as_json=as_json)


@app.command(epilog=FREEZE_EPILOG)
def freeze(
    key: Key,
    *,
    store: options.Store = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; every refused call says it.")
    ] = None,
    by: By = None,
    is_new: IsNew = False,
    as_json: options.AsJson = False,
) -> None:
    """Have a budget admit nothing, in every process that shares the store, until it is unfrozen."""
    name = _name(by)
    why = _clean(reason or "") or f"ask {name}"
    change = _stop_or_go("freeze", key, store, name, why, is_new=is_new)
    _tell(f"{key} admits nothing from now on ({why}), frozen by {name}", *change, None, as_json=as_json)


@app.command(epilog=UNFREEZE_EPILOG)
def unfreeze(
    key: Key,
    *,
    store: options.Store = None,
    by: By = None,
    is_new: IsNew = False,
    as_json: options.AsJson = False,
) -> None:
    """Have a budget admit calls again, and its counters that an overrun has frozen."""
    name = _name(by)
    change = _stop_or_go("unfreeze", key, store, name, "", is_new=is_new)
    _tell(f"{key} admits calls again, unfrozen by {name}", *change, None, as_json=as_json)


def _stop_or_go(
    action: Literal["freeze", "unfreeze"], key: str, place: str | None, by: str, note: str, *, is_new: bool
) -> tuple[BudgetChange, str]:
    """Make the change; what it was and where."""
    from langchain_costguard.budgets.claims import BudgetChange

    with closing(budget_store(place, may_begin=is_new)) as kept:
        meant_budget(kept, key, is_new=is_new)
        change = BudgetChange(key, action, 0, by, None, note)
        kept.change(change)
        return change, kept.location


def _typed_unit(*, tokens: bool, calls: bool) -> Unit:
    if tokens and calls:
        msg = "--tokens and --calls are two units: give one of them, or none for dollars"
        raise typer.BadParameter(msg)
    return "tokens" if tokens else "calls" if calls else "usd"


def _limit(text: str, unit: Unit) -> int:
    from langchain_costguard.budgets.limits import amount_of

    try:
        return amount_of(text.strip(), unit, "LIMIT")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _check_unit(key: str, typed: Unit, counted: Unit | None) -> None:
    """Refuse dollars for a budget that counts tokens, and the like."""
    if counted is not None and counted != typed:
        mend = "leave --tokens and --calls out" if counted == "usd" else f"add --{counted}"
        unit = "US dollars" if counted == "usd" else counted
        msg = f"{key!r} counts {unit}: {mend}, and give LIMIT in that unit"
        raise typer.BadParameter(msg)


def _name(by: str | None) -> str:
    """Who changes something, as it is kept."""
    import getpass

    try:
        name = _clean(getpass.getuser() if by is None else by)
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        name = ""
    if not name:
        msg = "it is not known who changes this: give a name"
        raise typer.BadParameter(msg, param_hint="--by")
    return name


def _clean(text: str) -> str:
    """Text that every store can keep and every terminal can show."""
    from langchain_costguard.reports.money import plain

    return plain(" ".join(text.split()))


def _print_rows(rows: Sequence[CounterRow], unused: Sequence[str], location: str) -> None:
    from langchain_costguard.cli.budget_rows import as_cells
    from langchain_costguard.reports.money import plain
    from langchain_costguard.reports.text import table_as_text
    from langchain_costguard.reports.view import Table

    if rows:
        typer.echo(table_as_text(Table("", *as_cells(rows))))
    else:
        typer.echo(f"No budget was used yet in {plain(location)}.")
    for line in unused:
        typer.echo(line)


def _print_changes(changes: Sequence[BudgetChange] | None, units: Mapping[str, Unit | None]) -> None:
    from langchain_costguard.cli.budget_rows import change_line

    if changes is None:
        return
    typer.echo("\nChanges:" if changes else "\nNo limit was ever changed here.")
    for change in changes:
        typer.echo(change_line(change, units.get(change.budget)))


def _setting(setting: BudgetSetting, unit: Unit | None) -> dict[str, object]:
    from langchain_costguard.cli.budget_rows import safe

    return {"budget": setting.budget, "limit": safe(setting.limit, unit), "frozen": setting.frozen}


def _tell(said: str, change: BudgetChange, location: str, limit: str | int | None, *, as_json: bool) -> None:
    from langchain_costguard.reports.money import plain

    if as_json:
        facts = {"location": location, "budget": change.budget, "action": change.action, "by": change.by}
        print_json(facts | {"limit": limit, "note": change.note})
    else:
        typer.echo(f"{plain(said)} ({plain(location)}).")
