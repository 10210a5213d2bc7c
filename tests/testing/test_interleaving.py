"""Mutations of several clients overlap in one thread, as they are told to."""

import pytest
from examples.chat import chat

import headwater as hw
from headwater import testing


@pytest.fixture
def db():
    with testing.database(chat) as opened:
        yield opened


def channels(db):
    with db.snapshot() as snapshot:
        return [channel["name"] for channel in snapshot.query(chat.Channels)]


def test_what_is_started_is_not_there_before_it_is_finished(db) -> None:
    one, _ = testing.Clients(db, 2)
    pending = one.start(chat.join, name="general")
    assert channels(db) == []
    assert db.get(pending.finish())["name"] == "general"


def test_who_has_read_what_changed_loses_and_runs_again(db) -> None:
    one, two = testing.Clients(db, 2)
    first = one.start(chat.join, name="general")
    second = two.start(chat.join, name="general")
    assert first.finish() == second.finish()
    assert channels(db) == ["general"]
    assert len(db.conflicts()["chat:join"]) == 1


def test_who_has_lost_may_ask_for_the_conflict(db) -> None:
    one, two = testing.Clients(db, 2)
    first = one.start(chat.join, name="general")
    two.start(chat.join, name="general").finish()
    with pytest.raises(hw.ConflictError, match=r"channels\.by_name"):
        first.finish(retry=False)
    assert not first.is_open


def test_what_a_mutation_raises_is_raised_when_it_is_finished(db) -> None:
    channel = db.mutate(chat.join, name="general")
    db.transact(lambda tx: tx.delete(channel))
    pending = testing.Clients(db)[0].start(chat.send, channel=channel, author="Ada", body="hi")
    with pytest.raises(hw.ApplicationError, match="NO_CHANNEL"):
        pending.finish()


def test_a_client_has_one_mutation_under_way(db) -> None:
    (client,) = testing.Clients(db, 1)
    pending = client.start(chat.join, name="a")
    with pytest.raises(hw.UsageError, match="under way"):
        client.start(chat.join, name="b")
    pending.drop()
    client.start(chat.join, name="b").finish()
    with pytest.raises(hw.UsageError, match="start it again"):
        pending.finish()
    assert channels(db) == ["b"]


def test_leaving_the_block_drops_what_is_under_way(db) -> None:
    with testing.Clients(db, 2) as clients:
        assert len(clients) == 2
        pending = clients[1].start(chat.join, name="a")
        assert clients[1].is_busy
    assert not pending.is_open
    assert channels(db) == []


def test_a_mutation_into_a_table_that_is_not_there_makes_it(db) -> None:
    @hw.mutation
    def note(ctx: hw.MutationCtx, text: str) -> None:
        ctx.db.insert("notes", {"text": text})

    one, two = testing.Clients(db, 2)
    first, second = one.start(note, text="a"), two.start(note, text="b")
    second.finish()
    first.finish()
    with db.snapshot() as snapshot:
        assert [n["text"] for n in snapshot.query("notes")] == ["a", "b"]


def test_the_arguments_are_those_of_the_start(db) -> None:
    @hw.mutation
    def note(ctx: hw.MutationCtx, texts: list[str]) -> None:
        ctx.db.insert("notes", {"texts": texts, "before": ctx.db.query("notes").count()})

    one, two = testing.Clients(db, 2)
    texts = ["a"]
    first = one.start(note, texts=texts)
    texts.append("b")
    two.start(note, texts=[]).finish()
    first.finish()
    with db.snapshot() as snapshot:
        assert [(n["texts"], n["before"]) for n in snapshot.query("notes").collect()] == [
            ([], 0),
            (["a"], 1),
        ]


# Crashes ----------------------------------------------------------------------------------------


def test_a_crash_leaves_what_was_acknowledged_and_nothing_else(db) -> None:
    general = db.mutate(chat.join, name="general")
    pending = testing.Clients(db)[0].start(chat.join, name="lost")
    before, clock, ts = db.path, db.clock, db.ts
    db.crash()
    assert not before.exists()
    assert db.path.exists()
    assert (db.clock, db.ts) == (clock, ts)
    with pytest.raises(hw.ClosedError):
        pending.finish()
    assert channels(db) == ["general"]
    db.mutate(chat.send, channel=general, author="Ada", body="hi")
    db.crash()
    assert [m["body"] for m in db.query(chat.latest, channel=general)] == ["hi"]
    assert db.verify() == []


def test_no_files_are_left_of_a_database_that_crashed() -> None:
    with testing.database(chat) as db:
        db.crash()
        db.crash()
        path = db.path
    assert not path.exists()


def test_a_live_query_ends_with_the_crash(db) -> None:
    with db.watch(chat.latest, channel=db.mutate(chat.join, name="general")) as live:
        assert live.next() == []
        db.crash()
        with pytest.raises((hw.ClosedError, StopIteration)):
            live.next()
