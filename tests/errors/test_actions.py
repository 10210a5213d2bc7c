"""What a caller reads whose action had to end."""

import pytest
from tests.functions import acting

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    acting.go_on.set()
    with testing.database(acting) as database:
        yield database


def test_an_action_that_takes_too_long_says_what_stays_and_what_to_do(db, said) -> None:
    running = db.start(acting.wait_async, text="x")
    acting.started.acquire()
    db.clock.advance(seconds=6)
    assert said(hw.TimeLimitError, running.result) == (
        "acting:waitAsync has run for more than 5 s, its limit. What it has committed stays. Give "
        "it more time: @hw.action(timeout_seconds=...), or hw.open(..., "
        "limits=hw.Limits(action_seconds=...))"
    )


def test_an_action_that_was_canceled_says_so(db, said) -> None:
    running = db.start(acting.wait_async, text="x")
    acting.started.acquire()
    running.cancel()
    assert said(hw.ActionCanceledError, running.result) == (
        "acting:waitAsync ends: it was canceled. What it has committed stays"
    )


def test_an_action_inside_a_mutation_is_told_how_it_is_called(db, said) -> None:
    assert said(hw.FunctionKindError, lambda: db.mutate(acting.act_inside)) == (
        "acting:writeTwo is an action, and does not join a transaction; call it with db.act(), or "
        "inside another action with ctx.act()"
    )
