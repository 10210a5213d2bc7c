"""``ctx.env``: what functions read of their surroundings."""

import asyncio

import pytest

import headwater as hw
from headwater import testing


@hw.query
def root(ctx: hw.QueryCtx, name: str = "API_ROOT") -> str:
    return ctx.env[name]


@hw.mutation
def names(ctx: hw.MutationCtx) -> list[str]:
    return sorted(ctx.env)


@hw.action
def from_thread(ctx: hw.SyncActionCtx) -> str:
    return ctx.env["API_ROOT"]


@hw.action
async def from_task(ctx: hw.ActionCtx) -> str:
    return ctx.env.get("API_ROOT", "none")


def test_every_kind_of_function_reads_what_the_database_was_opened_with():
    with hw.open(None, env={"API_ROOT": "https://example.org"}) as db:
        assert db.query(root) == db.act(from_thread) == asyncio.run(db.aio.act(from_task))
        assert db.query(root) == "https://example.org"
        assert db.mutate(names) == ["API_ROOT"]


def test_the_settings_of_the_process_are_taken_as_they_are_at_the_opening(monkeypatch):
    monkeypatch.setenv("HEADWATER_TEST_SETTING", "then")
    with hw.open(None) as db:
        monkeypatch.setenv("HEADWATER_TEST_SETTING", "now")
        assert db.query(root, name="HEADWATER_TEST_SETTING") == "then"


def test_a_throw_away_database_of_tests_has_none_of_the_process(monkeypatch):
    monkeypatch.setenv("HEADWATER_TEST_SETTING", "x")
    with testing.database() as db:
        assert db.mutate(names) == []
    with testing.database(env={"A": "1"}) as db:
        assert db.mutate(names) == ["A"]


def test_one_that_is_missing_is_named_with_the_nearest():
    with (
        hw.open(None, env={"API_ROOT": "https://example.org"}) as db,
        pytest.raises(hw.ConfigurationMissingError) as missing,
    ):
        db.query(root, name="API_ROOTS")
    assert isinstance(missing.value, KeyError)
    assert missing.value.name == "API_ROOTS"
    assert "did you mean 'API_ROOT'?" in str(missing.value)
    assert "example.org" not in str(missing.value)


def test_nothing_that_is_shown_has_their_values(tmp_path):
    with hw.open(tmp_path / "db", env={"KEY": "s3cret"}):
        with pytest.raises(hw.AlreadyOpenError, match="KEY") as refused:
            hw.open(tmp_path / "db", env={"KEY": "0ther"})
        hw.open(tmp_path / "db", env={"KEY": "s3cret"}).close()
    assert "s3cret" not in str(refused.value)
    assert "0ther" not in str(refused.value)
    assert "s3cret" not in repr(hw.Configuration({"KEY": "s3cret"}))


def test_a_fork_has_the_same():
    with hw.open(None, env={"API_ROOT": "x"}) as db, db.fork() as fork:
        assert fork.query(root) == "x"
