"""The state machine finds what is wrong with the hasty bank, and nothing in the mended one."""

import pytest
from examples.bank import bank, hasty, rules

from headwater.testing import StateMachine


def test_the_bug_of_the_hasty_bank_is_found_in_a_few_steps() -> None:
    wrong = StateMachine.from_module(
        bank, hasty, invariants=rules.RULES, without=[bank.withdraw], examples=200, steps=12
    )
    failure = wrong.find_failure(seed=1)
    assert failure is not None
    assert failure.invariant is rules.nobody_owes
    assert len(failure.steps) <= 6
    assert "db.mutate(hasty.withdraw, customer=customer, amount=" in failure.script
    with pytest.raises(AssertionError):
        exec(compile(failure.script, "<pasted>", "exec"), {})


def test_the_mended_bank_passes() -> None:
    StateMachine.from_module(bank, invariants=rules.RULES, examples=25, steps=12).check(seed=1)
