"""What has to hold in the bank after every commit, and who tries it."""

from collections import Counter

from examples.bank import bank, hasty

import headwater as hw
from headwater.testing import StateMachine


def nobody_owes(db: hw.Reader) -> bool:
    """No customer has less than nothing in both accounts together."""
    totals: Counter[str] = Counter()
    for account in db.query(bank.Accounts):
        totals[account["owner"]] += account["balance"]
    return all(total >= 0 for total in totals.values())


def everybody_has_both_accounts(db: hw.Reader) -> bool:
    """Every customer has two accounts, and there are no others."""
    count: Counter[str] = Counter(account["owner"] for account in db.query(bank.Accounts))
    return count == {customer["_id"]: 2 for customer in db.query(bank.Customers)}


RULES = [nobody_owes, everybody_has_both_accounts]

right = StateMachine.from_module(bank, invariants=RULES)
wrong = StateMachine.from_module(bank, hasty, invariants=RULES, without=[bank.withdraw])
