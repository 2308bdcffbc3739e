"""Any sequence of changes does to the SQL ledger what it does to the plain one in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.domain.privacy import Reservation
from guard.errors import GuardError
from guard.ledger.filter import room_in
from guard.ledger.store import LedgerStore
from tests.contract.ledger.conftest import sql_ledger
from tests.fakes.ledger import MemoryLedgerStore
from tests.fakes.outbox import waiting_events
from tests.unit.ledger.values import EXAMPLE, ROOT, budget, mechanism

VERBS: dict[str, Callable[[LedgerStore, Reservation, int], object]] = {
    "start": lambda store, held, _: store.start(held),
    "advance": lambda store, held, by: store.advance(held, to=held.written_ahead + by),
    "settle": lambda store, held, by: store.settle(held, private_stop=by % 2 == 0),
    "release": lambda store, held, _: store.release(held, reason="asked"),
    "burn": lambda store, held, _: store.burn(held, reason="lost"),
}


@dataclass(frozen=True)
class Act:
    """One change: reserve, change the budget, or a verb on one of three reservations."""

    verb: str
    which: int
    amount: int

    def __call__(self, store: LedgerStore, now: int) -> object:
        """Do it; an error is an outcome as any other."""
        name = f"r{self.which}"
        try:
            if self.verb == "reserve":
                asked = mechanism(self.amount)
                return store.reserve(
                    reservation_id=name, root=ROOT, job="j", mechanism=asked, unit=EXAMPLE, now=now
                )
            if self.verb == "set":
                new = budget(epsilon=4.0 + self.amount / 1000, order=4 + self.which)
                store.set_budget(new, principal="local:7")
                return None
            return VERBS[self.verb](store, store.reservation(name), self.amount)
        except GuardError as error:
            return type(error), getattr(error, "largest", None)


acts = st.builds(Act, st.sampled_from(["reserve", "set", *VERBS]), st.integers(0, 2), st.integers(0, 20_000))


@settings(max_examples=25)
@given(st.lists(acts, max_size=25))
def test_both_ledgers_agree_and_what_is_reserved_fits(story: list[Act]) -> None:
    memory = MemoryLedgerStore()
    with TemporaryDirectory() as folder:
        sql, engine = sql_ledger(Path(folder))
        for now, act in enumerate(story):
            outcome = act(memory, now)
            assert act(sql, now) == outcome
            assert sql.budgets() == memory.budgets()
            for page in memory.budgets():
                reserved = memory.reservations(page.root)
                assert sql.reservations(page.root) == reserved
                if act.verb == "reserve" and isinstance(outcome, Reservation):
                    assert room_in(page, reserved) >= 0
        assert not sql.check()
        assert waiting_events(engine) == memory.events
        engine.dispose()
