"""The ledger: whatever is paid, in whatever order, the balances are the sums of the entries."""

from collections import Counter

import pytest
from examples.ledger import ledger
from hypothesis import given
from hypothesis import strategies as st
from tests.examples.test_examples import run, start

import headwater as hw

NAMES = ("world", "Ada", "Grace")
WAIT_SECONDS = 10

payments = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(-1, 40))


def sums_of(reader):
    """The sums of the entries and the balances, by account."""
    entries: Counter[str] = Counter()
    for entry in reader.query(ledger.Entries):
        entries[entry["account"]] += entry["cents"]
    return entries, {row["account"]: row["cents"] for row in reader.query(ledger.Balances)}


@given(st.lists(payments, max_size=12))
def test_at_every_commit_each_balance_is_the_sum_of_its_entries(history):
    with hw.open(None, modules=[ledger]) as db:
        accounts = {name: db.mutate(ledger.open_account, name=name) for name in NAMES}
        for payer, payee, cents in history:
            try:
                db.mutate(
                    ledger.transfer,
                    source=accounts[payer],
                    target=accounts[payee],
                    cents=cents,
                    memo="",
                )
            except hw.ApplicationError:
                continue
            assert cents > 0
        for entry in db.log.read(tables=[ledger.Entries]):
            with db.snapshot(at=entry.ts) as snapshot:
                entries, balances = sums_of(snapshot)
            assert balances == entries
            assert sum(balances.values()) == 0
            assert all(balances.get(accounts[name], 0) >= 0 for name in NAMES[1:])
        db.wait_for_projections(WAIT_SECONDS)
        balances = db.query(ledger.overview)
        for name, account in accounts.items():
            lines = db.query(ledger.statement, account=account, limit=100)[::-1]
            assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
            assert (lines[-1]["balance"] if lines else 0) == balances[name]


def test_nobody_moves_what_is_not_there():
    with hw.open(None, modules=[ledger]) as db:
        ada, grace = (db.mutate(ledger.open_account, name=name) for name in ("Ada", "Grace"))
        for source, target, cents, code in (
            (ada, grace, 1, "NOT_ENOUGH"),
            (ada, grace, 0, "NOTHING_TO_MOVE"),
            (ada, ada, 1, "NO_SUCH_PAIR"),
        ):
            with pytest.raises(hw.ApplicationError) as caught:
                db.mutate(ledger.transfer, source=source, target=target, cents=cents, memo="")
            assert caught.value.data["code"] == code


def test_a_balance_cannot_be_changed_by_hand():
    with hw.open(None, modules=[ledger]) as db:
        ada = db.mutate(ledger.open_account, name="Ada")
        with pytest.raises(hw.ProjectionTableError):
            db.transact(lambda tx: tx.insert(ledger.Balances, {"account": ada, "cents": 100}))


def test_the_tour_of_the_ledger_shows_what_it_promises(tmp_path):
    path = tmp_path / "ledger.hw"
    for _ in range(2):
        output = run("examples.ledger", path)
        for fact in (
            "The entries sum up to 0, the balances to 0.",
            " 0 times with another sum.",
            "balances: ready, fed commit, lag 0",
            "statements: ready, fed later, lag 0",
        ):
            assert fact in output, f"{fact!r} is not in:\n{output}"


def test_two_processes_keep_one_ledger(tmp_path):
    path = tmp_path / "ledger.hw"
    with start("examples.ledger", path) as one, start("examples.ledger", path) as other:
        outputs = [child.communicate(timeout=120)[0] for child in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0), outputs
    with hw.open(path, modules=[ledger]) as db, db.snapshot() as snapshot:
        entries, balances = sums_of(snapshot)
        assert balances == entries
        assert sum(balances.values()) == 0
