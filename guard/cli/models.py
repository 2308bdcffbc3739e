"""``guard models``: trained models, their cards, and which version is served."""

from __future__ import annotations

from typing import Annotated

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
from guard.domain.model import ModelVersion, Stage

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The model's name, from: guard models list")]
Version = Annotated[int | None, typer.Option(help="Which version [the newest]")]


@app.command("list")
def list_models(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the trained models and their stages; those in production answer at the gate.

    Example: guard models list
    """
    with opened(data_dir) as installation:
        versions = installation.models.list()
        names = {dataset.id: dataset.name for dataset in installation.datasets.list()}
    if as_json:
        write_json([_plain(version) for version in versions])
        return
    table(
        ("name", "version", "stage", "dataset", "privacy", "made"),
        [
            (
                version.name,
                str(version.version),
                version.stage.value,
                names.get(version.dataset, version.dataset),
                version.card.get("privacy", "-"),
                when(version.created),
            )
            for version in versions
        ],
    )


@app.command("show")
def show(name: Name, version: Version = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a model's card and what it is made of.

    Example: guard models show adult-income
    """
    with opened(data_dir) as installation:
        found = installation.models.find(name, version)
        certificate = installation.certificate_path(found.certificate)
    if as_json:
        write_json({**_plain(found), "card": dict(found.card), "certificate_file": str(certificate)})
        return
    write_line(f"{found.name} version {found.version}, {found.stage.value}, made {when(found.created)}")
    facts(
        {
            **{field.replace("_", " "): text for field, text in found.card.items()},
            "model": found.digest,
            "dataset": found.dataset,
            "job": found.job,
            "certificate": str(certificate),
        }
    )


@app.command("stage")
def stage(
    name: Name,
    to: Annotated[Stage, typer.Option(help="Where to move it; production is served")],
    version: Version = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Move a version to another stage; one in production before is retired. Workers follow within a second.

    Example: guard models stage adult-income --to production
    """
    from guard.registry.cards import check_card
    from guard.registry.versions import check_free, staged

    with opened(data_dir) as installation:
        found = installation.models.find(name, version)
        if to is Stage.PRODUCTION:
            check_card(found.card)
            check_free(found.name, installation.configuration.catalogue)
        installation.models.stage(found, to, staged(found, to, operator()))
        deliver(installation)
    if as_json:
        write_json({"name": found.name, "version": found.version, "stage": to.value})
    else:
        write_line(f"{found.name} version {found.version} is in {to.value}")


def _plain(version: ModelVersion) -> dict[str, object]:
    return {
        "name": version.name,
        "version": version.version,
        "stage": version.stage.value,
        "digest": version.digest,
        "certificate": version.certificate,
        "dataset": version.dataset,
        "job": version.job,
        "created": version.created,
        "lineage": list(version.lineage),
    }
