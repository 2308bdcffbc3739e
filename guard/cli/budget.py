"""``guard budget``: what may be spent on a dataset, what is spent, and by which jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import (
    AsJson,
    DataDir,
    deliver,
    facts,
    opened,
    operator,
    table,
    when,
    write_json,
    write_line,
)
from guard.domain.privacy import Budget, PrivacyUnit, Reservation, UnitKind
from guard.errors import ConfigurationError, NotFound

if TYPE_CHECKING:
    from guard.storage.installation import Installation

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

ROOT = re.compile(r"sha256:[0-9a-f]{64}")
BAR = 40
WRONG = 1
FEW = 5
"""Kinds of jobs that are accounted for finely; each takes up to a second."""

DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", help="Name or id of a dataset, or the root of its lineage")
]


@app.command("set")
def set_budget(
    dataset: DatasetName,
    epsilon: Annotated[float, typer.Option(help="Most that all jobs together may reveal")],
    delta: Annotated[float, typer.Option(help="Chance that is left out; below 1 / privacy units")],
    order: Annotated[
        int | None, typer.Option(help="Rényi order that jobs are admitted at [fits most jobs]")
    ] = None,
    unit: Annotated[UnitKind | None, typer.Option(help="Whom it protects [as the dataset says]")] = None,
    column: Annotated[str | None, typer.Option(help="Column that names the user, for --unit user")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set or change the privacy budget of a dataset and of everything made from it.

    Order and unit are frozen once a job has reserved; raising epsilon is a new decision,
    and every one is recorded.

    Example: guard budget set adult --epsilon 3 --delta 1e-5
    """
    with opened(data_dir) as installation:
        root, declared = _found(installation, dataset)
        old = _old(installation, root)
        budget = Budget(
            root=root,
            epsilon=epsilon,
            delta=delta,
            order=_order(installation, old, epsilon, delta) if order is None else order,
            unit=_unit(unit, column, declared, old),
        )
        installation.ledger.set_budget(budget, principal=operator())
        deliver(installation)
    if as_json:
        write_json(_plain_budget(budget))
        return
    write_line(f"budget of {dataset}: {_words(budget)}")
    write_line(f"jobs are admitted at Rényi order {budget.order}")


@app.command("show")
def show(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="One dataset; without it all")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show budgets: the cap, what is spent of it, and every reservation.

    Spent is what the filter counts; it holds even if jobs were chosen by the results of
    earlier ones. The reported total (with the extra verify) is tighter and holds if all
    jobs had been fixed in advance. Exit code 1: the ledger was tampered with.

    Example: guard budget show adult
    """
    with opened(data_dir) as installation:
        ledger = installation.ledger
        problems = ledger.check()
        if problems:
            _tell(problems, as_json)
            raise typer.Exit(WRONG)
        names = {item.root: item.name for item in reversed(installation.datasets.list())}
        shown = ledger.budgets() if dataset is None else [ledger.budget(_found(installation, dataset)[0])]
        pages = [(budget, ledger.reservations(budget.root)) for budget in shown]
    if as_json:
        write_json([_plain_page(budget, reserved, names) for budget, reserved in pages])
        return
    if not pages:
        write_line("no budget is set; set one: guard budget set DATASET --epsilon 3 --delta 1e-5")
    for budget, reserved in pages:
        _page(budget, reserved, names.get(budget.root, budget.root))


def _found(installation: Installation, dataset: str) -> tuple[str, PrivacyUnit | None]:
    """Return the root of a dataset's lineage and the unit that is declared for it."""
    try:
        found = installation.datasets.find(dataset)
    except NotFound:
        if ROOT.fullmatch(dataset) is None:
            raise
        # A budget may stand before its dataset is ingested, and after it is gone.
        return dataset, None
    return found.root, found.unit


def _old(installation: Installation, root: str) -> Budget | None:
    try:
        return installation.ledger.budget(root)
    except NotFound:
        return None


def _order(installation: Installation, old: Budget | None, epsilon: float, delta: float) -> int:
    from guard.ledger.filter import best_order

    if old is not None and installation.ledger.reservations(old.root):
        return old.order
    return best_order(epsilon=epsilon, delta=delta)


def _unit(
    kind: UnitKind | None, column: str | None, declared: PrivacyUnit | None, old: Budget | None
) -> PrivacyUnit:
    if kind is None and column is None:
        return declared or (old.unit if old else PrivacyUnit(kind=UnitKind.EXAMPLE))
    unit = PrivacyUnit(kind=kind or UnitKind.USER, column=column)
    if (unit.kind is UnitKind.USER) != (column is not None):
        raise ConfigurationError("give --column with --unit user, and only there")
    if declared is not None and unit != declared:
        raise ConfigurationError(
            f"the dataset declares the unit {_unit_words(declared)}; ingest it anew for another one"
        )
    return unit


def _tell(problems: Sequence[str], as_json: bool) -> None:
    if as_json:
        write_json({"problems": list(problems)})
        return
    write_line("the ledger is not as it was written; nothing is admitted:")
    for problem in problems:
        write_line(f"  {problem}")


def _reported(budget: Budget, reserved: Sequence[Reservation]) -> float | None:
    """Return the total by privacy loss distributions, if the library for it is installed."""
    if find_spec("dp_accounting") is None:
        return None
    from guard.training.accounting import COARSE, FINE, epsilon_pld

    mechanisms = [item.reported for item in reserved]
    kinds = {(mechanism.sample_rate, mechanism.noise_multiplier) for mechanism in mechanisms}
    return epsilon_pld(mechanisms, delta=budget.delta, interval=FINE if len(kinds) <= FEW else COARSE)


def _page(budget: Budget, reserved: Sequence[Reservation], name: str) -> None:
    from guard.ledger.filter import share_of, spent_epsilon

    share = share_of(budget, [item.charged for item in reserved])
    filled = min(BAR, round(share * BAR))
    reported = _reported(budget, reserved)
    write_line(name)
    facts(
        {
            "budget": _words(budget),
            "spent": f"{'█' * filled}{'░' * (BAR - filled)} {share:.1%} of the cap: "
            f"epsilon {spent_epsilon(budget, reserved):.4f} at most, by the filter at order {budget.order}",
            "reported": "not computed; it takes the extra verify"
            if reported is None
            else f"epsilon {reported:.4f} if all jobs had been fixed in advance",
        }
    )
    if reserved:
        write_line()
        table(
            ("reservation", "job", "state", "steps", "charged", "sample rate", "noise", "of cap", "since"),
            [_row(budget, item) for item in reserved],
        )
    write_line()


def _row(budget: Budget, item: Reservation) -> tuple[str, ...]:
    from guard.ledger.filter import share_of

    return (
        item.id,
        item.job,
        item.state.value,
        f"{item.written_ahead} of {item.mechanism.steps}",
        str(item.charged.steps),
        f"{item.mechanism.sample_rate:.6g}",
        f"{item.mechanism.noise_multiplier:.6g}",
        f"{share_of(budget, [item.charged]):.1%}",
        when(item.created),
    )


def _words(budget: Budget) -> str:
    return (
        f"epsilon {budget.epsilon:g} at delta {budget.delta:g} for each {_unit_words(budget.unit)},"
        f" neighbours by {budget.relation}"
    )


def _unit_words(unit: PrivacyUnit) -> str:
    return unit.kind.value if unit.column is None else f"{unit.kind.value} of column {unit.column}"


def _plain_budget(budget: Budget) -> dict[str, object]:
    return {
        "root": budget.root,
        "epsilon": budget.epsilon,
        "delta": budget.delta,
        "order": budget.order,
        "unit": budget.unit.kind.value,
        "column": budget.unit.column,
        "relation": budget.relation.value,
    }


def _plain_page(budget: Budget, reserved: Sequence[Reservation], names: dict[str, str]) -> dict[str, object]:
    from guard.ledger.filter import share_of, spent_epsilon

    return {
        **_plain_budget(budget),
        "dataset": names.get(budget.root),
        "spent_share": share_of(budget, [item.charged for item in reserved]),
        "spent_epsilon": spent_epsilon(budget, reserved),
        "reported_epsilon": _reported(budget, reserved),
        "reservations": [
            {
                "id": item.id,
                "job": item.job,
                "state": item.state.value,
                "steps": item.mechanism.steps,
                "written_ahead": item.written_ahead,
                "charged": item.charged.steps,
                "sample_rate": item.mechanism.sample_rate,
                "noise_multiplier": item.mechanism.noise_multiplier,
                "spent_share": share_of(budget, [item.charged]),
                "private_stop": item.private_stop,
                "created": item.created,
            }
            for item in reserved
        ],
    }
