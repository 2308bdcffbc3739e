"""``guard train``: submit training jobs, follow them, check their certificates."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.options import (
    AsJson,
    DataDir,
    choose,
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
from guard.cli.processes import die_with_parent
from guard.errors import ConfigurationError
from guard.jobs.job import Job, JobState

__all__ = ["app", "worker"]

app = typer.Typer(no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, from: guard train list")]
LOOK_SECONDS = 0.5
NEED = "training needs the extra train: make .venv/train, or pip install torch==2.13.0 'guard[train]'"
Progress = Mapping[str, str | int]


@app.command("submit")
def submit(
    recipe: Annotated[
        Path, typer.Argument(help="What to learn from which columns, at what privacy", exists=True)
    ],
    detach: Annotated[bool, typer.Option("--detach", help="Let a running worker do it")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Train a model with differential privacy, under the dataset's budget.

    The job reserves its budget, tests its own trainer, trains, and registers the model with
    a signed certificate. Run again after a crash: guard train resume JOB.

    Example: guard train submit recipe.yaml
    """
    job = _submit(recipe.read_text(encoding="utf-8"), str(recipe), data_dir)
    if detach:
        if as_json:
            write_json({"job": job.id, "state": job.state.value})
        else:
            write_line(f"job {job.id} is queued; follow it: guard train watch {job.id}")
        return
    _run(job.id, data_dir, as_json)


@app.command("resume")
def resume(job_id: JobId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Go on with a job whose process died or that failed, from its last checkpoint.

    Nothing is trained again that was trained before: after a full disk, only what could not
    be written is written.

    Example: guard train resume 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    _run(job_id, data_dir, as_json)


@app.command("list")
def list_jobs(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the jobs, newest first.

    Example: guard train list
    """
    with opened(data_dir) as installation:
        jobs = installation.jobs.list()
    if as_json:
        write_json([_plain(job) for job in jobs])
        return
    table(
        ("job", "recipe", "state", "step", "epsilon", "submitted", "reason"),
        [
            (
                job.id,
                job.spec.get("name", "-"),
                job.state.value,
                _step(job.progress),
                str(job.progress.get("epsilon", "-")),
                when(job.created),
                job.reason or "-",
            )
            for job in jobs
        ],
    )


@app.command("status")
def status(job_id: JobId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show where a job stands.

    Example: guard train status 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    with opened(data_dir) as installation:
        job = installation.jobs.get(job_id)
    _show(job, as_json)


@app.command("watch")
def watch(job_id: JobId, data_dir: DataDir = None) -> None:
    """Follow a job to its end; exit code 1 if it did not succeed.

    Example: guard train watch 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    with opened(data_dir) as installation, _bar() as shown:
        while not (job := installation.jobs.get(job_id)).state.ended:
            shown(job.progress)
            time.sleep(LOOK_SECONDS)
        shown(job.progress)
    _show(job, as_json=False)
    raise typer.Exit(0 if job.state is JobState.SUCCEEDED else 1)


@app.command("cancel")
def cancel(job_id: JobId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stop a job before its next steps; what it has not spent goes back to the budget.

    Example: guard train cancel 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    with opened(data_dir) as installation:
        job = installation.jobs.cancel(job_id)
        deliver(installation)
    _show(job, as_json)


@app.command("verify")
def verify(
    certificate: Annotated[Path, typer.Argument(help="The certificate's file", exists=True)],
    key: Annotated[
        str | None, typer.Option(help="NAME+HASH+BASE64 of the key that must have signed it")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The model's ONNX file, to check that it is the one")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a certificate offline: signature, plan, epsilon computed anew, self-test.

    Needs the extra verify (no torch). Without --key it proves only that the file is whole.

    Example: guard train verify guard-data/models/….certificate.json --model guard-data/models/….onnx
    """
    from guard.audit.verify import VerificationFailed

    try:
        from guard.training.verify import verify_certificate
    except ImportError:
        raise ConfigurationError("checking needs the extra verify: pip install 'guard[verify]'") from None
    try:
        found = verify_certificate(
            certificate.read_bytes(), key=key, model=model.read_bytes() if model else None
        )
    except VerificationFailed as failure:
        write_line(f"INVALID  {failure}")
        raise typer.Exit(1) from None
    if as_json:
        write_json({name: getattr(found, name) for name in found.__slots__})
        return
    write_line("valid" if key else "valid, by the key that the file itself names (give --key to know whose)")
    facts(
        {
            "promise": f"epsilon {found.epsilon:.4f}, delta {found.delta:g}",
            "second accountant": f"epsilon {found.second_epsilon:.4f}",
            "protects": f"one {found.unit}, relation {found.relation}",
            "steps": str(found.executed),
            "model": found.model + (" (the file given)" if model else ""),
            "dataset": found.dataset,
            "job": found.job,
            "issued": when(found.issued),
        }
    )
    for item in found.not_covered:
        write_line(f"  not covered: {item}")


def worker(
    data_dir: DataDir = None,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run queued jobs, one after the other, until Ctrl-C. `guard serve` starts one by itself.

    Example: guard worker
    """
    if parent is not None:
        die_with_parent(parent)
    from guard.telemetry import configure_logging
    from guard.worker import run_until_stopped

    settings = choose(data_dir=data_dir)
    configure_logging(level=settings.log_level)
    run_until_stopped(settings, clock=microseconds_now)


def _submit(text: str, name: str, data_dir: Path | None) -> Job:
    from guard.domain.event import Record
    from guard.registry.cards import ESTABLISHED, check_card
    from guard.storage.installation import new_id
    from guard.training.recipe import load_recipe

    recipe = load_recipe(text.encode(), file=name)
    check_card(dict(recipe.card), given=ESTABLISHED)
    with opened(data_dir) as installation:
        installation.datasets.find(recipe.dataset)
        job = Job(
            id=new_id(),
            kind="train",
            tenant="default",
            spec={"recipe": text, "name": recipe.name, "principal": operator()},
            created=microseconds_now(),
        )
        event = Record(
            tenant=job.tenant,
            type="job.submitted",
            fields={"job": job.id, "kind": job.kind, "plan": recipe.name},
            sealed={"principal": operator()},
        )
        installation.jobs.submit(job, event)
        deliver(installation)
    return job


def _run(job_id: str, data_dir: Path | None, as_json: bool) -> None:
    from guard.telemetry import configure_logging
    from guard.worker import opened_worker

    settings = choose(data_dir=data_dir)
    configure_logging(level=settings.log_level)
    with _bar() as shown, opened_worker(settings, clock=microseconds_now, watch=shown) as here:
        try:
            job = here.run_next(job_id)
        except ImportError:
            raise ConfigurationError(NEED) from None
        except KeyboardInterrupt:
            raise ConfigurationError(
                f"stopped; what was trained so far is kept. Go on: guard train resume {job_id}"
            ) from None
    if job is None:
        raise ConfigurationError(
            f"job {job_id} is done, or another process runs it: guard train status {job_id}"
        )
    _show(job, as_json)
    raise typer.Exit(0 if job.state is JobState.SUCCEEDED else 1)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Show steps and epsilon on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[epsilon]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("self-test, then training", total=None, epsilon="")

        def shown(progress: Mapping[str, str | int]) -> None:
            if "steps" in progress:
                bar.update(
                    task,
                    description="training",
                    total=int(progress["steps"]),
                    completed=int(progress["step"]),
                    epsilon=f"epsilon {progress['epsilon']}",
                )

        yield shown


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        write_json(_plain(job))
        return
    write_line(f"job {job.id}: {job.state.value}{f' ({job.reason})' if job.reason else ''}")
    if job.progress:
        facts(
            {
                "step": _step(job.progress),
                "epsilon": str(job.progress.get("epsilon", "-")),
                "attempt": str(job.attempt),
            }
        )
    if job.state is JobState.SUCCEEDED and sys.stdout.isatty():
        name = job.spec.get("name", "NAME")
        write_line(f"next      guard models show {name}, then: guard models stage {name} --to production")


def _step(progress: Progress) -> str:
    return f"{progress['step']} of {progress['steps']}" if "steps" in progress else "-"


def _plain(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "name": job.spec.get("name"),
        "state": job.state.value,
        "attempt": job.attempt,
        "progress": dict(job.progress),
        "reason": job.reason,
        "created": job.created,
    }
