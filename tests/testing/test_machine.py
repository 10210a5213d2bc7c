"""State machines find what is wrong, tell it as a script that does the same, and find it again."""

import unittest
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st
from tests.testing import ledger
from tests.testing.ledger import Pots

import headwater as hw
from headwater import testing
from headwater.testing import StateMachine
from headwater.testing.machine_steps import Called, Crashed, Finished, Started, Waited
from headwater.transactions import committer

SOUND = [ledger.create, ledger.put, ledger.take, ledger.coins]


def machine(*invariants, only=SOUND, examples=25, steps=10, **options):
    return StateMachine.from_module(
        ledger, invariants=invariants, only=only, examples=examples, steps=steps, **options
    )


def no_pot_has_two(db: hw.Reader) -> bool:
    return all(pot["coins"] < 2 for pot in db.query(Pots))


def no_pot(db: hw.Reader) -> bool:
    """Found at once, and as short as can be: for what is not about shortening."""
    return db.query(Pots).first() is None


def no_debts(db: hw.Reader) -> None:
    for pot in db.query(Pots):
        assert pot["coins"] >= 0, "a pot owes coins"


def run_script(failure, **names):
    """Run what is pasted; what it raises."""
    with pytest.raises(type(failure.error)) as caught:
        exec(compile(failure.script, "<pasted>", "exec"), dict(names))
    return caught.value


def test_what_is_right_passes() -> None:
    assert machine(no_debts, examples=20).find_failure() is None


def test_an_invariant_that_does_not_hold_is_found_in_its_shortest_form() -> None:
    failure = machine(no_pot_has_two).find_failure(seed=3)
    assert failure is not None
    assert failure.invariant is no_pot_has_two
    assert failure.script == (
        "import headwater as hw\n"
        "from headwater import testing\n"
        "from tests.testing import ledger\n"
        "from tests.testing.test_machine import no_pot_has_two\n"
        "\n"
        "with testing.database(ledger) as db:\n"
        '    result = db.mutate(ledger.create, name="")\n'
        '    db.mutate(ledger.put, pot=result["pots"][0]["id"])\n'
        '    db.mutate(ledger.put, pot=result["pots"][0]["id"])\n'
        "    with db.snapshot() as snapshot:\n"
        "        assert no_pot_has_two(snapshot) in (True, None)\n"
    )
    run_script(failure)


def test_check_raises_it_with_the_script_and_the_seed() -> None:
    with pytest.raises(AssertionError, match="no_pot does not hold") as caught:
        machine(no_pot).check(seed=3)
    (note,) = caught.value.__notes__
    assert "--headwater-seed=3" in note
    assert "db.mutate(ledger.create" in note


def test_the_same_seed_finds_the_same() -> None:
    def seen(seed):
        states = []

        def note(db: hw.Reader) -> None:
            states.append([(pot["name"], pot["coins"]) for pot in db.query(Pots)])

        assert machine(note, examples=10, seed=seed).find_failure() is None
        return states

    assert seen(5) == seen(5) != seen(6)
    assert machine(no_pot, seed=5).find_failure().seed == 5


def test_the_seed_is_that_of_the_run_by_default(monkeypatch) -> None:
    monkeypatch.setenv("HEADWATER_SEED", "11")
    assert machine(no_pot).find_failure().seed == 11
    monkeypatch.delenv("HEADWATER_SEED")
    assert machine(no_pot).find_failure().seed == 0


def test_an_error_that_was_not_expected_is_found() -> None:
    failure = machine(only=[*SOUND, ledger.fail]).find_failure()
    assert isinstance(failure.error, KeyError)
    assert failure.invariant is None
    assert "    # raises KeyError: 'fail'\n" in failure.script
    run_script(failure)


def test_errors_of_the_application_are_fine_and_others_if_they_are_given() -> None:
    assert machine(only=[ledger.fail, ledger.take], errors=[KeyError]).find_failure() is None


def test_it_is_a_test_case() -> None:
    result = unittest.TestResult()
    machine(no_pot).TestCase().run(result)
    assert len(result.failures) == 1
    result = unittest.TestResult()
    machine(no_debts, examples=5).TestCase().run(result)
    assert result.wasSuccessful()


def test_internal_functions_are_not_called_unless_they_are_named() -> None:
    open_to_all = StateMachine.from_module(
        ledger, invariants=[no_debts], without=[ledger.fail], examples=20
    )
    assert open_to_all.find_failure() is None
    failure = machine(no_debts, only=[*SOUND, ledger.steal], dangling_ids=False).find_failure()
    assert failure.steps[-1].function is ledger.steal
    run_script(failure)


def test_arguments_can_be_given_as_a_strategy_or_made_from_the_database() -> None:
    def names_are_right(db: hw.Reader) -> bool:
        return all(pot["name"] in ("a", "b") for pot in db.query(Pots))

    for chosen in (
        st.fixed_dictionaries({"name": st.sampled_from("ab")}),
        lambda db: testing.arguments(ledger.create, db, using={"name": st.sampled_from("ab")}),
    ):
        sound = machine(names_are_right, arguments={ledger.create: chosen}, examples=15)
        assert sound.find_failure() is None
    assert machine(names_are_right, examples=15).find_failure() is not None


def test_setup_fills_the_database_and_is_in_the_script() -> None:
    failure = machine(no_pot_has_two, setup=two_pots, only=[ledger.put]).find_failure()
    assert "    pot = two_pots(db)\n    db.mutate(ledger.put, pot=pot)\n" in failure.script
    run_script(failure)


def two_pots(db):
    return db.transact(lambda tx: tx.insert(Pots, {"name": "a", "coins": 0}))


def test_a_weight_of_0_leaves_a_function_out() -> None:
    quiet = machine(no_pot_has_two, weights={ledger.put: 0}, examples=15)
    assert quiet.find_failure() is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"only": []}, "no public function to call in tests.testing.ledger"),
        ({"only": [ledger.put], "weights": {ledger.take: 1}}, "weights= names ledger:take"),
        ({"without": [ledger.put], "arguments": {ledger.put: st.just({})}}, "arguments= names"),
        ({"clients": 0}, "clients=0: expected 1 or more"),
        ({"only": [len]}, "expected functions declared with"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(options, text) -> None:
    with pytest.raises(hw.UsageError, match=text):
        machine(**options)


# Interleavings ----------------------------------------------------------------------------------


@contextmanager
def without_validation():
    """A planted bug in the database itself: nobody ever loses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committer, "find_conflict", lambda *_: None)
        yield


@hw.mutation
def put_once(ctx: hw.MutationCtx, pot: hw.Id[ledger.Pot]) -> None:
    """Puts a coin into a pot, and a note beside it."""
    found = ctx.db.get(pot)
    if found is None:
        raise hw.ApplicationError("no such pot")
    ctx.db.patch(pot, coins=found["coins"] + 1)
    ctx.db.insert("notes", {"pot": pot})


def as_many_notes_as_coins(db: hw.Reader) -> bool:
    return all(
        pot["coins"] == sum(note["pot"] == pot["_id"] for note in db.query("notes"))
        for pot in db.query(Pots)
    )


def test_a_lost_update_is_found_and_the_script_overlaps_the_same_clients() -> None:
    plan = machine(as_many_notes_as_coins, only=[put_once], setup=two_pots)
    assert plan.find_failure() is None
    with without_validation():
        failure = plan.find_failure()
        assert failure is not None
        assert sum(isinstance(step, Started) for step in failure.steps) >= 1
        assert "clients = testing.Clients(db, " in failure.script
        assert ".start(put_once, " in failure.script
        run_script(failure, put_once=put_once)


def test_clients_overlap_crash_and_wait() -> None:
    """Every kind of step is taken."""
    kinds: set[type] = set()
    ends: set[type | None] = set()
    seen: list[object] = []

    def note(db: hw.Reader) -> None:
        for step in seen:
            kinds.update(map(type, step.steps))
            ends.update(s.error for s in step.steps if isinstance(s, Called | Finished))

    from headwater.testing import machine_rules

    with pytest.MonkeyPatch.context() as patch:
        prepare = machine_rules.Run._prepare
        patch.setattr(
            machine_rules.Run,
            "_prepare",
            lambda run: (seen.__setitem__(slice(None), [run]), prepare(run))[1],
        )
        assert machine(note, examples=20).find_failure() is None
    assert kinds == {Called, Started, Finished, Crashed, Waited}
    assert {None, ledger.TooMuch} <= ends


def test_one_client_never_overlaps_and_crashes_can_be_left_out() -> None:
    with without_validation():
        plan = machine(as_many_notes_as_coins, only=[put_once], setup=two_pots, clients=1)
        assert plan.find_failure() is None


def test_a_crash_that_loses_a_commit_is_found(monkeypatch) -> None:
    """A planted bug: what is copied is the state before the last commit."""
    from headwater.testing import crashing

    def forget(source, target):
        with testing.database(ledger) as empty:
            copy(empty.path, target)

    copy = crashing._copy_files
    monkeypatch.setattr(crashing, "_copy_files", forget)
    failure = machine().find_failure()
    assert "lost or changed what was acknowledged" in str(failure.error)
    assert "    db.crash()\n" in failure.script
