"""How many run together, counted by those who do: as many as are allowed, and never one more.

Each stays inside until it is let go, so "together" is not a matter of luck or speed.
"""

import asyncio
import random
import threading
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.processes.children import nursery
from tests.services import witnessed

import headwater as hw
from headwater import testing

JOBS = [witnessed.stay, witnessed.stay_async]
ACTIONS = [witnessed.act, witnessed.act_async]


def wait_until(db, query, wanted, **arguments):
    with db.watch(query, **arguments) as live:
        next(result for result in live if wanted(result))


def have_looked(db):
    """Return once jobs were chosen, from all queues, after this was called."""
    id = db.jobs.enqueue(witnessed.look)
    wait_until(db, witnessed.has_ended, bool, id=id)


def new_witness():
    witnessed.witness = witnessed.Witness()
    return witnessed.witness


def have_ended(db, batch, count):
    wait_until(db, witnessed.batch, lambda found: "completed" in found, id=batch)
    assert db.query(witnessed.batch, id=batch)["success"] == count


def enqueued(db, kinds):
    return db.jobs.enqueue_many([kind.bind(name=str(at)) for at, kind in enumerate(kinds)])


@settings(max_examples=15, deadline=None)
@given(
    allowed=st.integers(1, 4),
    kinds=st.lists(st.sampled_from(JOBS), min_size=1, max_size=8),
    draw=st.randoms(use_true_random=False),
)
def test_exactly_as_many_jobs_run_together_as_the_queue_allows(allowed, kinds, draw):
    witness = new_witness()
    with testing.database(witnessed, jobs="run") as db:
        db.jobs.set_concurrency("watched", allowed)
        batch = enqueued(db, kinds)
        for left in range(len(kinds), 0, -1):
            held = witness.wait_for(min(allowed, left))
            have_looked(db)
            assert witness.held() == held
            witness.let_go(draw.choice(held))
        have_ended(db, batch, len(kinds))
    assert witness.most == min(allowed, len(kinds))


@pytest.mark.parametrize("kind", JOBS)
def test_another_concurrency_holds_from_then_on(kind):
    witness = new_witness()
    with testing.database(witnessed, jobs="run") as db:
        batch = enqueued(db, [kind] * 8)
        assert len(witness.wait_for(1)) == 1
        db.jobs.set_concurrency("watched", 3)
        held = witness.wait_for(3)
        db.jobs.set_concurrency("watched", 1)
        for name in held[:2]:
            witness.let_go(name)
        have_looked(db)
        assert witness.held() == held[2:]
        db.jobs.pause("watched")
        witness.let_go(held[2])
        have_looked(db)
        assert witness.held() == []
        assert witness.most == 3
        db.jobs.resume("watched")
        db.jobs.set_concurrency("watched", 5)
        for name in witness.wait_for(5):
            witness.let_go(name)
        have_ended(db, batch, 8)
    assert witness.most == 5


@pytest.mark.parametrize("kind", JOBS)
def test_exactly_as_many_jobs_of_all_queues_run_together_as_the_process_allows(kind):
    witness = new_witness()
    limits = hw.Limits(jobs_concurrent=2)
    with testing.database(witnessed, jobs="run", limits=limits) as db:
        db.jobs.set_concurrency("watched", 6)
        batch = enqueued(db, [kind] * 6)
        for left in range(6, 0, -1):
            witness.let_go(witness.wait_for(min(2, left))[0])
        have_ended(db, batch, 6)
    assert witness.most == 2


@settings(max_examples=15, deadline=None)
@given(
    allowed=st.integers(1, 4),
    kinds=st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=8),
    draw=st.randoms(use_true_random=False),
)
def test_exactly_as_many_actions_run_together_as_the_limit(allowed, kinds, draw):
    witness = new_witness()
    with testing.database(witnessed, limits=hw.Limits(actions_concurrent=allowed)) as db:
        running = [db.start(kind, name=str(at)) for at, kind in enumerate(kinds)]
        for left in range(len(kinds), 0, -1):
            held = witness.wait_for(min(allowed, left))
            witness.let_go(draw.choice(held))
        assert [one.result() for one in running] == [str(at) for at in range(len(kinds))]
    assert witness.most == min(allowed, len(kinds))


@settings(max_examples=10, deadline=None)
@given(
    allowed=st.integers(1, 4),
    kinds=st.lists(st.booleans(), min_size=1, max_size=8),
    draw=st.randoms(use_true_random=False),
)
def test_tasks_and_threads_share_the_places_of_actions(allowed, kinds, draw):
    witness = new_witness()

    def let_go_one_by_one():
        for left in range(len(kinds), 0, -1):
            witness.let_go(draw.choice(witness.wait_for(min(allowed, left))))

    async def act(db):
        tasks, threads = [], []
        for at, is_task in enumerate(kinds):
            if is_task:
                tasks.append(asyncio.create_task(db.aio.act(witnessed.act_async, name=str(at))))
            else:
                threads.append(db.start(witnessed.act, name=str(at)))
        await asyncio.to_thread(let_go_one_by_one)
        return [*await asyncio.gather(*tasks), *(one.result() for one in threads)]

    with testing.database(witnessed, limits=hw.Limits(actions_concurrent=allowed)) as db:
        assert sorted(asyncio.run(act(db))) == sorted(str(at) for at in range(len(kinds)))
    assert witness.most == min(allowed, len(kinds))


WORKER = """
from tests.services import witnessed
class Telling(witnessed.Witness):
    def counted(self, name, gate):
        inside = super().counted(name, gate)
        def tell():
            with inside:
                say(name)
                yield
        return witnessed.contextmanager(tell)()
witnessed.witness = Telling()
db = hw.open(path, modules=[witnessed], jobs="run")
say("open")
while name := hear():
    witnessed.witness.let_go(name)
"""


@pytest.mark.parametrize("seed", range(2))
def test_exactly_as_many_run_together_in_all_processes(tmp_path, seed):
    draw, witness, allowed, count = random.Random(seed), new_witness(), 3, 12
    with nursery() as start, hw.open(tmp_path / "db.hw", modules=[witnessed], jobs="hold") as db:
        db.jobs.set_concurrency("watched", allowed)
        workers = [start(WORKER, tmp_path / "db.hw") for _ in range(2)]
        assert [worker.hear() for worker in workers] == ["open"] * 2

        def listen(worker):
            while name := worker.hear():
                # Counted until it is let go: what two processes say has no order.
                with witness.counted(name, partial(worker.tell, name)):
                    pass

        listeners = [
            threading.Thread(target=listen, args=(worker,), daemon=True) for worker in workers
        ]
        for listener in listeners:
            listener.start()
        batch = enqueued(db, [draw.choice(JOBS) for _ in range(count)])
        for left in range(count, 0, -1):
            held = witness.wait_for(min(allowed, left))
            have_looked(db)
            assert witness.held() == held
            assert len(held) == min(allowed, left)
            witness.let_go(draw.choice(held))
        have_ended(db, batch, count)
        for worker in workers:
            worker.tell()
        for listener in listeners:
            listener.join()
