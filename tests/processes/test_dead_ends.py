"""Moments in which a thread could be left waiting for ever.

Goal: a fork while another thread opens a database, and an event loop that closes while its
mutations are on their way, stop nobody. Method: both moments are held open by hand.
"""

from tests.processes import application

import headwater as hw
from headwater import aio


def test_a_fork_while_another_thread_opens_a_database_does_not_stop_the_child(path, start) -> None:
    child = start(
        """
        from headwater import sharing
        opening, go_on = threading.Event(), threading.Event()
        def make():
            opening.set()
            go_on.wait()
            return object()
        thread = threading.Thread(target=sharing.share, args=(path / "other", (), make))
        thread.start()
        opening.wait()
        child = os.fork()
        if not child:
            signal.alarm(60)
            with hw.open(path, modules=[application]) as db:
                say(db.mutate(application.bump, writer="child", name="n"))
            os._exit(0)
        say(os.waitpid(child, 0)[1])
        go_on.set()
        thread.join()
        """,
        path,
    )
    assert child.finish() == ["1", "0"]


def test_an_event_loop_that_closes_at_the_wrong_moment_does_not_stop_the_committer(path) -> None:
    class Closing:
        """A loop that is closed between the question and the call."""

        def is_closed(self) -> bool:
            return False

        def call_soon_threadsafe(self, callback) -> None:
            raise RuntimeError("Event loop is closed")

    with hw.open(path, modules=[application]) as db:
        completions = aio._Completions(Closing())
        call = db._runner.call("mutation", application.bump, (), {"writer": "loop", "name": "n"})
        db._runner.request(call, lambda _: completions.add(None))
        assert db.mutate(application.bump, writer="thread", name="n") == 2


def test_a_fork_is_given_way_before_each_batch_on_every_thread(path, monkeypatch) -> None:
    """Or it would wait in vain for a turn that a busy committer takes again at once."""
    with hw.open(path, modules=[application]) as db:
        committer, given = db._store.committer, []
        monkeypatch.setattr(
            db._store.environment, "give_way", lambda: given.append(committer.turn.locked())
        )
        db.mutate(application.bump, writer="here", name="n")
        assert given == [False]
        call = db._runner.call("mutation", application.bump, (), {"writer": "there", "name": "n"})
        db._runner.request(call, lambda _: None)
        committer.call(lambda: None)
        assert given[0:2] == [False, False]
        assert set(given) == {False}
