"""``guard train``: submit, follow, cancel, go on, and check a certificate."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from guard.domain.model import Stage
from guard.jobs.job import JobState
from guard.settings import Settings
from guard.storage.installation import Installation, open_installation
from guard.training.trainer import Trainer
from tests.integration.cli.conftest import Done, Guard
from tests.integration.training.story import Story

pytest.importorskip("opacus", reason="the extra train is not installed")


@pytest.fixture
def here(trained: Story, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """Return the story in a copy that is this test's own."""
    # It would change the logging of the whole test process.
    monkeypatch.setattr("guard.telemetry.configure_logging", lambda **_: None)
    shutil.rmtree(data_dir)
    shutil.copytree(trained.data_dir, data_dir)
    recipe = Path(shutil.copy(trained.recipe, tmp_path))
    return Story(
        data_dir=data_dir, table=trained.table, policy=trained.policy, recipe=recipe, job=trained.job
    )


def installed(story: Story) -> Installation:
    return open_installation(story.data_dir, Settings(data_dir=story.data_dir).config_path)


def queued(guard: Guard, story: Story) -> str:
    done = guard("train", "submit", "--detach", "--json", str(story.recipe))
    assert done.code == 0 and isinstance(done.json, dict) and done.json["state"] == "queued"
    return str(done.json["job"])


def refused(done: Done) -> str:
    assert done.code == 2 and done.err.startswith("guard: ") and done.err.count("\n") == 1
    return done.err


def test_a_job_that_ran_is_listed_with_its_end(guard: Guard, here: Story) -> None:
    line = guard("train", "list").out.splitlines()[1]
    assert here.job in line and "succeeded" in line and "60 of 60" in line and "buyers version 1" in line
    shown = guard("train", "status", here.job, "--json").json
    assert isinstance(shown, dict) and (shown["state"], shown["attempt"]) == ("succeeded", 1)
    assert guard("train", "watch", here.job).code == 0
    assert "guard train list" in refused(guard("train", "status", "no-such-job"))
    assert "is done" in refused(guard("train", "resume", here.job))


def test_a_queued_job_is_cancelled_at_once_and_never_runs(guard: Guard, here: Story) -> None:
    job = queued(guard, here)
    done = guard("train", "cancel", job)
    assert done.code == 0 and "cancelled (asked)" in done.out
    assert guard("train", "watch", job).code == 1
    assert "nothing to cancel" in refused(guard("train", "cancel", job))
    assert "is done" in refused(guard("train", "resume", job))


def test_a_job_goes_on_after_a_fault_and_trains_nothing_twice(
    guard: Guard, here: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the model is written; the budget is spent by then."""

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("guard.training.job.write_durably", full)
        done = guard("train", "submit", "--json", str(here.recipe))
    ended = json.loads(done.out.splitlines()[-1])
    assert done.code == 1
    assert ended["state"] == "failed" and "OSError" in ended["reason"]
    monkeypatch.setattr("guard.training.job.Trainer", lambda **_: pytest.fail("trained again"))
    again = guard("train", "resume", ended["id"], "--json")
    assert again.code == 0 and isinstance(again.json, dict)
    assert (again.json["state"], again.json["attempt"]) == ("succeeded", 2)
    assert [line["state"] for line in reservations(guard)] == ["settled", "settled"]


def reservations(guard: Guard) -> list[dict[str, object]]:
    page = guard("budget", "show", "people", "--json").json
    assert isinstance(page, list)
    found: list[dict[str, object]] = page[0]["reservations"]
    return found


def test_ctrl_c_says_how_to_go_on(guard: Guard, here: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "gradient", interrupted)
        patched.setattr("guard.training.job.run_selftest", lambda _: SimpleNamespace(passed=True))
        line = refused(guard("train", "submit", str(here.recipe)))
    assert "guard train resume" in line
    job = line.split()[-1]
    assert reservations(guard)[-1]["state"] == "running", "visibly open"
    assert guard("train", "resume", job).code == 0
    assert reservations(guard)[-1]["state"] == "settled"


def test_a_job_over_the_budget_is_refused_with_what_would_fit(guard: Guard, here: Story) -> None:
    here.recipe.write_text(here.recipe.read_text().replace("epsilon: 1,", "epsilon: 2.4,"))
    done = guard("train", "submit", "--json", str(here.recipe))
    assert done.code == 1 and isinstance(done.json, dict) and done.json["state"] == "failed"
    assert "has no room for 90 steps" in done.json["reason"] and " fit" in done.json["reason"]
    assert len(reservations(guard)) == 1
    leaves = [json.loads(line) for line in guard("log", "tail", "--json").out.splitlines()]
    (leaf,) = (leaf for leaf in leaves if leaf["type"] == "budget.refused")
    assert 0 <= leaf["largest"] < 90


def test_without_a_budget_nothing_runs(guard: Guard, here: Story, tmp_path: Path) -> None:
    table = tmp_path / "others.csv"
    table.write_text("age,visits,town,buys\n" + "".join(f"{n % 90},{n},Cork,yes\n" for n in range(300)))
    assert guard("dataset", "ingest", str(table)).code == 0
    here.recipe.write_text(here.recipe.read_text().replace("dataset: people", "dataset: others"))
    done = guard("train", "submit", "--json", str(here.recipe))
    assert done.code == 1 and isinstance(done.json, dict) and "guard budget set" in done.json["reason"]


def test_a_tampered_ledger_is_told_by_doctor_and_fsck_and_admits_nothing(guard: Guard, here: Story) -> None:
    assert guard("audit", "fsck").code == 0
    with sqlite3.connect(here.data_dir / "guard.db") as connection:
        connection.execute("UPDATE ledger_reservation SET written_ahead = 1")
    connection.close()
    done = guard("audit", "fsck")
    assert done.code == 1 and "not as it was written" in done.out and "result   not valid" in done.out
    lines = {line["check"]: line for line in json.loads(guard("doctor", "--json", "--port", "0").out)}
    assert not lines["ledger"]["ok"] and "no job is admitted" in lines["ledger"]["message"]
    ended = guard("train", "submit", "--json", str(here.recipe))
    assert ended.code == 1 and isinstance(ended.json, dict)
    assert ended.json["state"] == "failed" and "not as it was written" in ended.json["reason"]


WRONG = {
    "another dataset": ("dataset: people", "dataset: nobody", "no dataset 'nobody'"),
    "no card": ("owner: tests", "owner: ''", "the model card lacks: owner"),
    "the target as a feature": ("column: town", "column: buys", "is the target, so it is no feature"),
    "no steps": ("steps: 60", "steps: 0", "expected a number from 1"),
    "a name that nobody can call": ("name: buyers", "name: ../up", "a model's name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_recipe_that_cannot_be_makes_no_job(guard: Guard, here: Story, what: str) -> None:
    right, wrong, says = WRONG[what]
    text = here.recipe.read_text()
    assert right in text
    here.recipe.write_text(text.replace(right, wrong))
    assert says in refused(guard("train", "submit", str(here.recipe)))
    jobs = guard("train", "list", "--json").json
    assert isinstance(jobs, list) and len(jobs) == 1


def test_a_column_that_policy_dropped_cannot_be_learnt_from(guard: Guard, here: Story) -> None:
    here.recipe.write_text(here.recipe.read_text().replace("column: town", "column: email"))
    done = guard("train", "submit", "--json", str(here.recipe))
    assert isinstance(done.json, dict) and done.json["reason"] == "the dataset has no column email"
    assert len(reservations(guard)) == 1, "nothing was reserved"


def certificate(story: Story) -> tuple[Path, Path, str]:
    """Return the certificate, the model and the key's line."""
    from guard.audit.checkpoint import KEY_NAME
    from guard.audit.verify import key_line

    installation = installed(story)
    version = installation.models.find("buyers", 1)
    paths = installation.certificate_path(version.certificate), installation.model_path(version.digest)
    key = key_line(KEY_NAME, installation.keyring.signer().public)
    installation.close()
    return *paths, key


def test_a_certificate_is_checked_with_and_without_a_key(guard: Guard, here: Story) -> None:
    proof, model, key = certificate(here)
    done = guard("train", "verify", str(proof), "--model", str(model), "--key", key)
    assert done.code == 0 and done.out.startswith("valid\n") and "(the file given)" in done.out
    assert "not covered: replacing one example by another" in done.out
    alone = guard("train", "verify", str(proof))
    assert alone.out.startswith("valid, by the key that the file itself names"), "whose key it is stays open"


def test_a_certificate_of_another_key_model_or_job_is_invalid(
    guard: Guard, here: Story, tmp_path: Path
) -> None:
    proof, model, key = certificate(here)
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes() + b"\0")
    forged = tmp_path / "forged.json"
    forged.write_bytes(proof.read_bytes().replace(here.job.encode(), here.job[:-1].encode() + b"0"))
    stranger = "guard+0a1b2c3d+" + key.rpartition("+")[2]
    for arguments in (
        (proof, "--model", other),
        (forged, "--key", key),
        (forged,),
        (proof, "--key", stranger),
        (model,),
    ):
        done = guard("train", "verify", *map(str, arguments))
        assert done.code == 1 and done.out.startswith("INVALID  ")


def test_a_certificate_that_was_swapped_for_another_jobs_is_not_served(guard: Guard, here: Story) -> None:
    """Whoever can write files and rows puts version 2's figures under version 1's model."""
    from guard.inference.models import ServedModels
    from guard.storage.served import StoredModels

    guard("train", "submit", str(here.recipe))
    guard("models", "stage", "buyers", "--version", "1", "--to", "production")
    installation = installed(here)
    source = StoredModels(
        installation.models, models=installation.model_path, certificates=installation.certificate_path
    )
    served = ServedModels(source, public=installation.keyring.signer().public)
    assert served.find("buyers").version.version == 1
    second = installation.models.find("buyers", 2)
    with installation.database.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE model SET certificate = ? WHERE version = 1", (second.certificate,)
        )
        connection.exec_driver_sql("UPDATE version SET value = value + 1")
    with pytest.raises(Exception, match="another model's, or nobody's"):
        served.find("buyers")
    assert installation.models.find("buyers", 1).stage is Stage.PRODUCTION
    installation.close()


def test_the_job_table_holds_no_row_and_no_value(guard: Guard, here: Story) -> None:
    installation = installed(here)
    (job,) = installation.jobs.list()
    installation.close()
    assert job.state is JobState.SUCCEEDED
    assert set(job.progress) == {"step", "steps", "executed", "epsilon"}
    assert (
        set(job.spec) == {"recipe", "name", "principal"} and job.spec["principal"] == f"local:{os.getuid()}"
    )
