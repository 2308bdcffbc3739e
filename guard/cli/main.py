"""The ``guard`` command: one Typer application, a file a group of commands."""

from __future__ import annotations

import sys

import typer

from guard.cli import (
    audit,
    budget,
    dataset,
    demo,
    doctor,
    explain,
    init,
    keys,
    log,
    models,
    policy,
    screen,
    serve,
    train,
)
from guard.errors import GuardError

__all__ = ["app", "main"]

app = typer.Typer(
    help="A gate between personal data and the models that use it. Start with: guard serve",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("serve-worker", hidden=True)(serve.serve_worker)
app.command("demo-model")(serve.demo_model)
app.command("model-server")(serve.model_server)
app.command("worker")(train.worker)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("doctor")(doctor.doctor)
app.add_typer(keys.app, name="keys", help="Issue, list, rotate and revoke application keys.")
app.command("screen")(screen.screen)
app.add_typer(policy.app, name="policy", help="Check policies and try them on a text.")
app.add_typer(audit.app, name="audit", help="Check, verify and export the log.")
app.add_typer(log.app, name="log", help="Look at the log.")
app.command("explain")(explain.explain)
app.add_typer(dataset.app, name="dataset", help="Protect tables for training, and list them.")
app.add_typer(budget.app, name="budget", help="Privacy budgets: set them, see what is spent.")
app.add_typer(train.app, name="train", help="Train models with differential privacy.")
app.add_typer(models.app, name="models", help="Trained models, their cards, and which is served.")


def main() -> None:
    """Run the command; a ``GuardError`` is one line on standard error and exit code 2."""
    try:
        app()
    except GuardError as error:
        sys.stderr.write(f"guard: {error.message}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
