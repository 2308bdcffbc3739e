"""``guard dataset``: make a protected, encrypted copy of a table, and list the copies."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import (
    AsJson,
    DataDir,
    deliver,
    facts,
    microseconds_now,
    opened,
    operator,
    table,
    when,
    write_json,
    write_line,
)
from guard.domain.dataset import Dataset
from guard.domain.privacy import PrivacyUnit, UnitKind

if TYPE_CHECKING:
    from guard.datasets.plan import Plan
    from guard.datasets.survey import Survey
    from guard.datasets.transform import Transformer
    from guard.documents.rows import RowFile
    from guard.policy.dataset import DatasetPolicy
    from guard.storage.installation import Installation

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

POLICY = "dataset.yaml"


@app.command("ingest")
def ingest(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header, or JSON Lines", exists=True)],
    name: Annotated[str | None, typer.Option(help="Name of the dataset [the file's name]")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="What is done to columns [dataset.yaml in the policy folder]")
    ] = None,
    unit: Annotated[UnitKind, typer.Option(help="Whom one record protects")] = UnitKind.EXAMPLE,
    subject: Annotated[str | None, typer.Option(help="Column that names the user, for --unit user")] = None,
    purpose: Annotated[str, typer.Option(help="Why the data may be used")] = "general",
    licence: Annotated[str, typer.Option(help="Under which terms it was received")] = "unknown",
    derived_from: Annotated[
        str | None, typer.Option(help="Dataset that it was made from: both spend one privacy budget")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Report what would be done, write nothing")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Screen a table, report what is done to each column, write an encrypted copy, register it.

    Run again after a crash, it goes on where it stopped. The file itself is left alone.

    Example: guard dataset ingest adult.csv --unit example --purpose research --licence CC-BY-4.0
    """
    from guard.datasets.ingest import write_dataset
    from guard.datasets.plan import Request, plan_ingest
    from guard.documents.rows import open_row_file

    with opened(data_dir) as installation:
        chosen = _policy(policy or installation.configuration.policies_path / POLICY)
        source = open_row_file(file)
        request = Request(
            name=name or file.stem,
            tenant="default",
            unit=PrivacyUnit(kind=unit, column=subject),
            purpose=purpose,
            licence=licence,
            parent=derived_from,
        )
        surveyed = _survey(installation, file, source, request.unit)
        plan = plan_ingest(request, surveyed, chosen, installation.datasets)
        if not as_json:
            _report(request.name, plan)
        if preview:
            if as_json:
                write_json(_plan(plan))
            return
        transformer = _transformer(installation, plan, chosen)
        with _bar("writing", surveyed.rows) as progress:
            dataset, changed = write_dataset(
                plan,
                source,
                principal=operator(),
                folder=installation.dataset_folder(plan.id),
                transformer=transformer,
                keys=installation.keyring,
                store=installation.datasets,
                clock=microseconds_now,
                progress=progress,
            )
        deliver(installation)
    if as_json:
        write_json({**_plan(plan), "dataset": dataset.id, "changed": changed})
        return
    if changed:
        inside = ", ".join(f"{count} {entity}" for entity, count in sorted(changed.items()))
        write_line(f"changed inside texts: {inside}")
    write_line(f"registered {dataset.name}: {dataset.rows} rows in {len(dataset.shards)} encrypted shards")
    if plan.budget_of is None:
        write_line(f"next       guard budget set {dataset.name} --epsilon 3 --delta 1e-5")


@app.command("list")
def list_datasets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the datasets: what they hold, whom a record protects, what they were made from.

    Example: guard dataset list
    """
    with opened(data_dir) as installation:
        datasets = installation.datasets.list()
    if as_json:
        write_json([_plain(dataset) for dataset in datasets])
        return
    names = {dataset.id: dataset.name for dataset in datasets}
    table(
        ("name", "rows", "columns", "unit", "units", "purpose", "licence", "made from", "registered"),
        [
            (
                dataset.name,
                str(dataset.rows),
                str(len(dataset.columns)),
                dataset.unit.kind.value,
                str(dataset.units),
                dataset.purpose,
                dataset.licence,
                names.get(dataset.parent or "", "-"),
                when(dataset.created),
            )
            for dataset in datasets
        ],
    )


def _policy(path: Path) -> DatasetPolicy:
    from guard.errors import ConfigurationError
    from guard.policy.dataset import load_dataset_policy

    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path} ({error.strerror}); name a dataset policy with --policy"
        ) from None
    return load_dataset_policy(data, file=str(path))


def _survey(installation: Installation, file: Path, source: RowFile, unit: PrivacyUnit) -> Survey:
    from guard.datasets.survey import survey
    from guard.keys.purposes import Purpose
    from guard.screening.engine import compile_screener

    with _bar("reading", file.stat().st_size) as progress:
        return survey(
            file,
            source,
            unit=unit,
            screener=compile_screener(),
            key=installation.keyring.purpose_key(Purpose.PSEUDONYM, tenant="default", context="sketch"),
            below=secrets.randbelow,
            progress=progress,
        )


def _transformer(installation: Installation, plan: Plan, policy: DatasetPolicy) -> Transformer:
    from guard.datasets.transform import Transformer
    from guard.keys.purposes import Purpose
    from guard.protection.surrogate import Surrogates
    from guard.screening.engine import compile_screener

    def tokens(scope: str) -> Surrogates:
        key = installation.keyring.purpose_key(Purpose.PSEUDONYM, tenant="default", context=scope)
        return Surrogates(key=key, tenant="default", application="datasets", scope=scope)

    return Transformer(
        [item.column for item in plan.survey.columns],
        plan.transforms,
        policy=policy,
        screener=compile_screener(),
        surrogates=tokens(f"dataset {plan.id}"),
        pseudonyms=tokens("all datasets"),
    )


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)


def _report(name: str, plan: Plan) -> None:
    survey = plan.survey
    write_line(
        f"{name}: {survey.rows} rows, {survey.units} privacy units (the largest holds {survey.largest_unit})"
    )
    write_line()
    done = {item.column: item for item in plan.transforms}
    table(
        ("column", "kind", "missing", "found in the sample", "then", "by"),
        [
            (
                item.column.name,
                item.column.kind.value,
                str(item.missing),
                ", ".join(f"{count} of {item.sampled} {entity}" for entity, count in item.found.items())
                or "-",
                _words(plan, item.column.name),
                done[item.column.name].rule,
            )
            for item in survey.columns
        ],
    )
    write_line()
    facts({"dataset": plan.id, "spends": f"the budget of {plan.budget_of or name}"})


def _words(plan: Plan, column: str) -> str:
    item = next(item for item in plan.transforms if item.column == column)
    detail = ", ".join(f"{name} {value}" for name, value in item.parameters.items())
    return f"{item.word.value} ({detail})" if detail else item.word.value


def _plan(plan: Plan) -> dict[str, object]:
    survey = plan.survey
    return {
        "id": plan.id,
        "root": plan.dataset.root,
        "budget_of": plan.budget_of or plan.dataset.name,
        "rows": survey.rows,
        "units": survey.units,
        "largest_unit": survey.largest_unit,
        "columns": [
            {
                "name": item.column.name,
                "kind": item.column.kind.value,
                "missing": item.missing,
                "sampled": item.sampled,
                "found": dict(item.found),
                "then": _words(plan, item.column.name),
            }
            for item in survey.columns
        ],
    }


def _plain(dataset: Dataset) -> dict[str, object]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "root": dataset.root,
        "parent": dataset.parent,
        "unit": dataset.unit.kind.value,
        "subject": dataset.unit.column,
        "units": dataset.units,
        "rows": dataset.rows,
        "columns": [column.name for column in dataset.columns],
        "shards": len(dataset.shards),
        "purpose": dataset.purpose,
        "licence": dataset.licence,
        "policy": dataset.policy,
        "created": dataset.created,
    }
