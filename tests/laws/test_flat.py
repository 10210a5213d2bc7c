"""Neither file nor memory grows with the number of commits.

Method: ten thousand small commits under live queries and with a log that is trimmed; the pages in
use and the size of everything that is kept in memory are counted half way and at the end.
"""

from tests.laws import application

import headwater as hw
from headwater.reactive.result_cache import _SEEN_MAX
from headwater.storage.old_snapshots import _MARKS

COMMITS = 10_000
CELLS = 40
TEXT = "x" * 400
GROWTH_PAGES = 300
"""What live queries may pin between two looks; untrimmed, the second half takes 500 and more."""
LIMITS = hw.Limits(recent_commits=100, recent_documents=1000, cache_bytes=40_000)
BOUNDS = {
    "recent commits": LIMITS.recent_commits,
    "recent documents": LIMITS.recent_documents,
    "live queries": 4,
    "subscriptions": 4,
    "bytes of cached results": LIMITS.cache_bytes,
    "questions that were asked once": _SEEN_MAX,
    "functions": 2,
    "open snapshots": 2,  # of a round of the live queries, and of this moment
    "sizes of the file": _MARKS,
    "snapshots told of": 0,
}


def in_memory(db) -> dict[str, int]:
    """How much of everything there is."""
    store, queries, cache = db._store, db._reactor.queries, db._runner.cache
    return {
        "recent commits": len(store.recent._commits),
        "recent documents": sum(len(commit.documents) for commit in store.recent._commits),
        "live queries": len(queries),
        "subscriptions": len(queries._by_subscription),
        "bytes of cached results": cache._size,
        "questions that were asked once": len(cache._seen),
        "functions": len(db._runner.statistics),
        "open snapshots": len(store.environment.readers),
        "sizes of the file": len(store.environment._old._marks),
        "snapshots told of": len(store.environment._old._told),
    }


def test_file_and_memory_do_not_grow_with_the_number_of_commits(tmp_path) -> None:
    with hw.open(tmp_path / "db", modules=[application], durability="none", limits=LIMITS) as db:
        new = [{"group": number % 4, "number": number, "writer": ""} for number in range(CELLS)]
        cells = db.transact(lambda tx: [tx.insert("cells", cell) for cell in new])
        lives = [db.watch(application.in_group, group=group) for group in range(4)]
        for live in lives:
            live.next(60)
        pages, memory, stamps = [], [], [0, 0]
        for number in range(COMMITS):
            cell = cells[number % CELLS]
            db.transact(lambda tx, cell=cell, n=number: tx.patch(cell, number=n % 7, writer=TEXT))
            db.query(application.in_group, group=number % 4, count=1 + number % 300)
            if number % 500 == 499:
                stamps = [stamps[1], db.ts]
                db.trim_log(stamps[0])
            if number % (COMMITS // 2) == COMMITS // 2 - 1:
                pages.append(db._store.environment._lmdb.info()["last_pgno"])
                memory.append(in_memory(db))
        assert pages[1] <= pages[0] + GROWTH_PAGES, "the file has grown"
        for found in memory:
            beyond = {name for name, bound in BOUNDS.items() if found[name] > bound}
            assert beyond == set(), found
        for live in lives:
            live.close()
        assert len(db._reactor.queries) == 0


def test_memory_does_not_grow_with_the_size_of_commits() -> None:
    """The documents of the newest one are kept, however many they are."""
    with hw.open(None, modules=[application], limits=LIMITS) as db:

        def kept_after(count: int) -> int:
            new = [{"group": 0, "number": number, "writer": ""} for number in range(count)]
            db.transact(lambda tx: tx.insert_many("cells", new))
            return in_memory(db)["recent documents"]

        kept_after(1000)  # and the table itself, which was not there yet
        assert [kept_after(count) for count in (400, 400, 400)] == [400, 800, 800]
        assert [kept_after(count) for count in (1200, 30, 900)] == [1200, 30, 930]
