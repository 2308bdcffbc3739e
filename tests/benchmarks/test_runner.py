"""The runner: targets, rows, results, and the page that is made of them."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import runner
from benchmarks.outcome import Fact, Measured, NotRun, Outcome, Say
from benchmarks.report import PAGE, read_results, render
from benchmarks.runner import Document, failed, run
from benchmarks.targets import TARGETS, Bar, Target, load, rows

MOST = Bar(what="time", unit="ms", at_most=2.0, at_least=None, grants="2 × sync")
LEAST = Bar(what="rate", unit="%", at_most=None, at_least=25.0, grants="")
TARGET = Target(
    name="area.topic", issue="gate", what="w", reach="r", long=False, bars={"time": MOST, "rate": LEAST}
)


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_a_benchmark(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert callable(module.measure)


@pytest.mark.parametrize(
    ("value", "allowance", "holds"),
    [(2.0, 0.0, True), (2.01, 0.0, False), (2.2, 0.2, True), (2.3, 0.2, False)],
)
def test_a_bar_at_most_holds_up_to_what_it_grants(value: float, allowance: float, holds: bool) -> None:
    assert MOST.holds(Measured(bar="time", value=value, allowance=allowance)) is holds


@pytest.mark.parametrize(("value", "holds"), [(25.0, True), (24.9, False)])
def test_a_bar_at_least_holds_from_its_number_on(value: float, holds: bool) -> None:
    assert LEAST.holds(Measured(bar="rate", value=value)) is holds


def test_a_bar_that_was_not_measured_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="did not measure rate"):
        rows(TARGET, Outcome(measured=(Measured(bar="time", value=1),)))


def test_rows_hold_what_the_contract_says() -> None:
    outcome = Outcome(
        measured=(
            Measured(bar="time", value=1.23456, case="1 KB", allowance=0.5),
            Measured(bar="rate", value=9),
        ),
        facts=(Fact(what="sync", value=0.25, unit="ms"),),
    )
    first, second, fact = rows(TARGET, outcome)
    assert first == {
        "benchmark": "area.topic",
        "what": "time, 1 KB",
        "value": 1.235,
        "unit": "ms",
        "target": "≤ 2 + 2 × sync = 2.50",
        "holds": True,
    }
    assert (second["target"], second["holds"]) == ("≥ 25", False)
    assert (fact["target"], fact["holds"]) == ("", None)


@pytest.mark.parametrize("bars", ["at_most = 1\nat_least = 1", ""], ids=["both", "neither"])
def test_a_bar_needs_exactly_one_side(tmp_path: Path, bars: str) -> None:
    head = '[[benchmark]]\nname="n"\nissue="i"\nwhat="w"\nreach="r"\n'
    text = f'{head}[benchmark.bars.b]\nwhat="x"\nunit="u"\n{bars}\n'
    (tmp_path / "targets.toml").write_text(text)
    with pytest.raises(ValueError, match="at_most or at_least"):
        load(tmp_path / "targets.toml")


def _run(monkeypatch: pytest.MonkeyPatch, measure: object) -> Document:
    monkeypatch.setattr(runner, "_function", lambda name, function: measure)
    return run("area.topic", [TARGET], seed=1, say=print)


def _fine(*, seed: int, say: Say) -> Outcome:
    return Outcome(
        measured=(Measured(bar="time", value=1), Measured(bar="rate", value=30)), notes=(f"seed {seed}",)
    )


def _absent(*, seed: int, say: Say) -> Outcome:
    raise NotRun("the data is not there")


def test_a_run_in_which_all_holds_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    document = _run(monkeypatch, _fine)
    assert not failed(document)
    assert document["name"] == "area.topic"
    assert document["notes"] == {"area.topic": ["seed 1"]}
    assert {"processor", "cores", "kernel", "python"} <= document["environment"].keys()


def test_what_could_not_run_is_named_and_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    document = _run(monkeypatch, _absent)
    assert document["not_run"] == {"area.topic": "the data is not there"}
    assert failed(document)


def test_the_result_is_written_where_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runner, "_function", lambda name, function: _ordinary)
    out = tmp_path / "deep" / "out.json"
    assert command.main(["run", "policy.ordinary", "--json", str(out)]) == 0
    written = json.loads(out.read_text(encoding="utf-8"))
    assert written["name"] == "policy.ordinary"
    assert written["results"][0]["what"] == "prompts changed"


def _ordinary(*, seed: int, say: Say) -> Outcome:
    return Outcome(measured=(Measured(bar="changed", value=1.0),))


def test_a_missed_bar_is_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = Outcome(measured=(Measured(bar="changed", value=2.5),))
    monkeypatch.setattr(runner, "_function", lambda name, function: lambda *, seed, say: missed)
    assert command.main(["run", "policy.ordinary"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "no.such"],
        ["run", "policy.ordinary", "--issue", "gate"],
        ["run", "--issue", "nothing"],
    ],
    ids=["nothing to run", "unknown name", "names and issue", "unknown issue"],
)
def test_wrong_use_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments) == 2
    assert capsys.readouterr().err.startswith("benchmarks: ")


def test_a_dirty_tree_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "dirty", lambda: [" M guard/errors.py"])
    assert command.main(["run", "--issue", "gate"]) == 2
    assert "commit first" in capsys.readouterr().err


def test_list_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in TARGETS)


def test_the_page_of_results_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(read_results()), "run: python -m benchmarks report"


def test_the_page_shows_every_row_and_what_was_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = render([_run(monkeypatch, _fine), _run(monkeypatch, _absent)])
    assert "| rate | 30 | % | ≥ 25 | yes |" in shown
    assert "* area.topic: the data is not there" in shown
