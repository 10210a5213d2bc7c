"""Rules and services: what services keep can be closed, and they work behind closed doors."""

from types import ModuleType
from typing import Any

import pytest
from tests.services import guarded_jobs as jobs

import headwater as hw
from headwater import testing

ADA = hw.Identity("ada")


def entries(db: hw.Database) -> list[str]:
    with db.snapshot() as snapshot:
        return [entry["text"] for entry in snapshot.query(jobs.Entries).collect()]


def test_a_scheduled_internal_function_has_no_rules_and_a_public_one_has_nobody() -> None:
    with testing.database(jobs) as db:
        with hw.acting_as(ADA):
            free = db.mutate(jobs.add_later, owner="ada", text="free", internally=True)
            bound = db.mutate(jobs.add_later, owner="ada", text="bound", internally=False)
        db.clock.advance(seconds=60)
        db.run_due_jobs()
        assert db.get(free)["state"]["kind"] == "success"
        state = db.get(bound)["state"]
        assert state["kind"] == "failed"
        assert "may not insert this document into 'entries'" in state["error"]
        assert entries(db) == ["free"]


def test_scheduled_functions_are_open_by_default() -> None:
    with testing.database(jobs) as db:
        job = db.mutate(jobs.add_later, owner="ada", text="x", internally=True)
        assert db.query(jobs.scheduled) == ["x"]
        assert db.query(jobs.one_scheduled, job)


def test_deny_closes_what_services_keep_and_the_services_work() -> None:
    with testing.database(jobs, default_access="deny") as db:
        first = db.mutate(jobs.add_later, owner="ada", text="x", internally=True)
        second = db.mutate(jobs.add_later, owner="ada", text="y", internally=True)
        assert db.query(jobs.scheduled) == []
        assert not db.query(jobs.one_scheduled, first)
        db.mutate(jobs.cancel, first)
        db.clock.advance(seconds=60)
        db.run_due_jobs()
        assert [db.get(job)["state"]["kind"] for job in (first, second)] == ["canceled", "success"]
        assert entries(db) == ["y"]


def declared(**rules: Any) -> ModuleType:
    module = ModuleType("declared")
    vars(module).update(hw=hw, given=rules)
    exec("hw.rules(hw.ScheduledFunctions, **given)", vars(module))
    return module


def test_what_a_service_keeps_may_have_a_rule() -> None:
    def is_of_caller(ctx: hw.QueryCtx, job: hw.ScheduledFunction) -> bool:
        return ctx.identity is not None and job["args"]["owner"] == ctx.identity.subject

    for default in ("allow", "deny"):
        with testing.database(jobs, declared(read=is_of_caller), default_access=default) as db:
            db.mutate(jobs.add_later, owner="ada", text="x", internally=True)
            db.mutate(jobs.add_later, owner="eva", text="y", internally=True)
            with hw.acting_as(ADA):
                assert db.query(jobs.scheduled) == ["x"]
            assert db.query(jobs.scheduled) == []


@pytest.mark.parametrize("verb", ["insert", "modify", "delete"])
def test_what_a_service_keeps_has_no_rule_for_writes(verb: str) -> None:
    with pytest.raises(hw.DeclarationError, match="is written by its service alone"):
        declared(read=True, **{verb: True})
