"""What every ledger must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from guard.domain.privacy import Mechanism, PrivacyUnit, Reservation, SpendState, UnitKind
from guard.errors import BudgetExhausted, ConfigurationError, GuardError, LedgerConflict, NotFound
from guard.ledger.store import LedgerStore
from tests.contract.ledger.conftest import LedgerUnderTest
from tests.unit.ledger.values import EXAMPLE, ROOT, budget, mechanism

OTHER = "sha256:" + "07" * 32
USER = PrivacyUnit(kind=UnitKind.USER, column="customer")


def take(
    store: LedgerStore,
    reservation_id: str = "r1",
    *,
    root: str = ROOT,
    asked: Mechanism | None = None,
    unit: PrivacyUnit = EXAMPLE,
    now: int = 1,
) -> Reservation:
    """Reserve a job of about epsilon 1."""
    return store.reserve(
        reservation_id=reservation_id,
        root=root,
        job=f"job {reservation_id}",
        mechanism=asked or mechanism(),
        unit=unit,
        now=now,
    )


@pytest.fixture
def store(ledger: LedgerUnderTest) -> LedgerStore:
    """A ledger with one budget of epsilon 10."""
    ledger.store.set_budget(budget(), principal="local:7")
    return ledger.store


def test_an_empty_ledger_has_no_budget(ledger: LedgerUnderTest) -> None:
    assert not ledger.store.budgets()
    assert not ledger.store.check()
    with pytest.raises(NotFound):
        ledger.store.budget(ROOT)


def test_budgets_are_read_back_whole_and_by_root(store: LedgerStore) -> None:
    other = budget(epsilon=0.1 + 0.2, delta=1e-7, order=60, root=OTHER, unit=USER)
    store.set_budget(other, principal="local:7")
    assert list(store.budgets()) == [other, budget()]
    assert store.budget(OTHER) == other


def test_a_budget_in_which_nothing_fits_is_refused(ledger: LedgerUnderTest) -> None:
    with pytest.raises(ConfigurationError):
        ledger.store.set_budget(budget(epsilon=0.001), principal="local:7")
    assert not ledger.store.budgets() and not ledger.events()


def test_a_budget_may_be_raised_and_lowered_but_its_order_is_frozen(store: LedgerStore) -> None:
    store.set_budget(budget(order=5), principal="local:7")
    take(store)
    for epsilon in (20.0, 4.0):
        store.set_budget(budget(epsilon=epsilon, order=5), principal="local:7")
        assert store.budget(ROOT).epsilon == epsilon
    for changed in (budget(order=4), budget(order=5, unit=USER)):
        with pytest.raises(LedgerConflict):
            store.set_budget(changed, principal="local:7")
    assert store.budget(ROOT) == budget(epsilon=4.0, order=5)


def test_a_reservation_is_read_back_whole(store: LedgerStore) -> None:
    asked = mechanism(noise_multiplier=0.1 + 0.2 + 1, sample_rate=256 / 60000)
    made = take(store, asked=asked, now=99)
    assert made == store.reservation("r1") == store.reservations(ROOT)[0]
    assert (made.mechanism, made.state, made.created, made.job) == (asked, SpendState.RESERVED, 99, "job r1")


def test_reservations_come_oldest_first_and_of_their_budget_alone(store: LedgerStore) -> None:
    store.set_budget(budget(root=OTHER), principal="local:7")
    for name, root, now in (("a", ROOT, 3), ("b", OTHER, 1), ("c", ROOT, 2), ("d", ROOT, 2)):
        take(store, name, root=root, now=now)
    assert [item.id for item in store.reservations(ROOT)] == ["c", "d", "a"]
    assert [item.id for item in store.reservations(OTHER)] == ["b"]


def test_a_job_goes_through_its_states_and_each_but_writing_ahead_leaves_an_event(
    ledger: LedgerUnderTest, store: LedgerStore
) -> None:
    held = store.advance(store.advance(store.start(take(store)), to=20), to=40)
    held = store.settle(held, private_stop=True)
    assert held == store.reservation("r1")
    assert (held.state, held.written_ahead, held.private_stop) == (SpendState.SETTLED, 40, True)
    assert ledger.types() == ["budget.set", "budget.reserved", "budget.running", "budget.settled"]
    assert ledger.events()[-1].fields["executed"] == 40


def test_released_and_burnt_say_why(ledger: LedgerUnderTest, store: LedgerStore) -> None:
    store.release(take(store, "a"), reason="cancelled")
    store.burn(store.start(take(store, "b")), reason="checkpoint lost")
    reasons = {event.type: event.fields["reason"] for event in ledger.events() if "reason" in event.fields}
    assert reasons == {"budget.released": "cancelled", "budget.burnt": "checkpoint lost"}


def test_a_full_budget_refuses_with_the_largest_that_fits_and_records_it(
    ledger: LedgerUnderTest, store: LedgerStore
) -> None:
    take(store, asked=mechanism(50_000))
    with pytest.raises(BudgetExhausted) as refused:
        take(store, "r2", asked=mechanism(10_000))
    largest = refused.value.largest
    assert 0 < largest < 10_000
    assert [item.id for item in store.reservations(ROOT)] == ["r1"]
    last = ledger.events()[-1]
    assert (last.type, last.fields["largest"], last.fields["job"]) == ("budget.refused", largest, "job r2")
    take(store, "r2", asked=mechanism(largest))
    with pytest.raises(BudgetExhausted):
        take(store, "r3", asked=mechanism(1, noise_multiplier=1.0))


def test_what_is_released_or_was_not_run_fits_again(store: LedgerStore) -> None:
    full = mechanism(50_000)
    store.release(take(store, "a", asked=full), reason="")
    held = store.advance(store.start(take(store, "b", asked=full)), to=100)
    with pytest.raises(BudgetExhausted):
        take(store, "c", asked=full)
    store.settle(held, private_stop=False)
    take(store, "c", asked=full)


def test_what_is_burnt_stays_charged(store: LedgerStore) -> None:
    full = mechanism(50_000)
    store.burn(store.start(take(store, "a", asked=full)), reason="")
    with pytest.raises(BudgetExhausted):
        take(store, "b", asked=full)


def test_budgets_do_not_pay_for_each_other(store: LedgerStore) -> None:
    store.set_budget(budget(root=OTHER), principal="local:7")
    full = mechanism(50_000)
    take(store, "a", asked=full)
    take(store, "b", asked=full, root=OTHER)


REFUSED: dict[str, tuple[type[Exception], Callable[[LedgerStore], object]]] = {
    "no budget": (NotFound, lambda store: take(store, "n", root=OTHER)),
    "an id that is taken": (LedgerConflict, lambda store: take(store, "running")),
    "another unit": (LedgerConflict, lambda store: take(store, "n", unit=USER)),
    "no step": (ValueError, lambda store: take(store, "n", asked=mechanism(0))),
    "no probability": (ValueError, lambda store: take(store, "n", asked=mechanism(sample_rate=1.5))),
    "an unknown reservation": (NotFound, lambda store: store.reservation("n")),
    "reservations of no budget": (NotFound, lambda store: store.reservations(OTHER)),
    "starting twice": (LedgerConflict, lambda store: store.start(store.reservation("running"))),
    "starting by an old value": (
        LedgerConflict,
        lambda store: store.start(replace(store.reservation("running"), state=SpendState.RESERVED)),
    ),
    "writing ahead by an old value": (
        LedgerConflict,
        lambda store: store.advance(replace(store.reservation("running"), written_ahead=10), to=50),
    ),
    "writing ahead beyond the plan": (
        LedgerConflict,
        lambda store: store.advance(store.reservation("running"), to=1001),
    ),
    "writing ahead what never started": (
        LedgerConflict,
        lambda store: store.advance(store.reservation("reserved"), to=1),
    ),
    "releasing what runs": (
        LedgerConflict,
        lambda store: store.release(store.reservation("running"), reason=""),
    ),
    "settling what never ran": (
        LedgerConflict,
        lambda store: store.settle(store.reservation("reserved"), private_stop=False),
    ),
    "burning what is settled": (
        LedgerConflict,
        lambda store: store.burn(store.reservation("settled"), reason=""),
    ),
    "changing a reservation that nobody made": (
        NotFound,
        lambda store: store.start(replace(store.reservation("reserved"), id="n")),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_change_changes_nothing(ledger: LedgerUnderTest, store: LedgerStore, case: str) -> None:
    take(store, "reserved")
    store.advance(store.start(take(store, "running")), to=20)
    store.settle(store.start(take(store, "settled")), private_stop=False)
    before = (list(store.budgets()), list(store.reservations(ROOT)), ledger.events())
    error, change = REFUSED[case]
    with pytest.raises(error) as raised:
        change(store)
    assert isinstance(raised.value, GuardError | ValueError)
    assert (list(store.budgets()), list(store.reservations(ROOT)), ledger.events()) == before
    assert not store.check()
