"""Time travel and rebuilding: what only Headwater does. The baseline is a moment just ago."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Any, Final

import headwater as hw
from bench.adapters import headwater_application as application
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.agree import Disagreement
from bench.documents import channel_name, channels_of, make_documents
from bench.measure import Contestant, Work
from bench.own import OwnWorkload, Place, Variant
from bench.sizes import SHORT, Sizes

_BATCH: Final = 2000


class Past:
    """A database that has changed, and moments from before its last changes.

    Attributes:
        engine: It.
        keys: Of its documents.
        moments: By how many commits were made since.
    """

    def __init__(self, place: Place) -> None:
        sizes = place.sizes
        self._channels = channels_of(sizes.documents)
        self.engine = HeadwaterEmbedded(place.new_directory(), is_durable=False)
        self.keys: list[Any] = []
        for first in range(0, sizes.documents, _BATCH):
            count = min(_BATCH, sizes.documents - first)
            self.keys += self.engine.insert_many(make_documents(first, count, sizes.documents))
        self.moments: dict[int, int] = {}
        self._then: dict[int, object] = {}
        self._change(sizes.changes)

    def _change(self, commits: int) -> None:
        random = Random("changes")
        ages = {commits, commits // 10, commits // 100, 0}
        for left in range(commits, -1, -1):
            if left in ages:
                self.moments[left] = self.engine.database.ts
                self._then[left] = self.engine.latest(channel_name(0), SHORT)
            if left:
                changes = {"score": random.randrange(1000), "rating": random.random()}
                self.engine.patch(random.choice(self.keys), changes)

    def check(self) -> None:
        """Raises `Disagreement` if a moment is seen otherwise now than it was then."""
        for age, moment in self.moments.items():
            with self.engine.database.snapshot(at=moment) as snapshot:
                if self.scan(snapshot, channel_name(0)) != self._then[age]:
                    raise Disagreement(f"{age} commits ago is not seen as it was, so not timed")

    def scan(self, snapshot: hw.OpenSnapshot, channel: str) -> list[application.Post]:
        """The newest of a channel."""
        posts = application.Posts
        query = snapshot.query(posts).with_index(posts.by_channel, channel)
        return query.order("desc").take(SHORT)

    def point_reads(self, age: int, sizes: Sizes, random: Random) -> Work:
        """Reads of single documents, each in a snapshot of its own."""
        keys = random.choices(self.keys, k=sizes.short_scans)

        def work() -> int:
            for key in keys:
                with self.engine.database.snapshot(at=self.moments[age]) as snapshot:
                    snapshot.get(key)
            return len(keys)

        return work

    def scans(self, age: int, sizes: Sizes, random: Random) -> Work:
        """Scans of a channel, each in a snapshot of its own."""
        count = max(1, sizes.short_scans // SHORT)
        channels = [channel_name(random.randrange(self._channels)) for _ in range(count)]

        def work() -> int:
            found = 0
            for channel in channels:
                with self.engine.database.snapshot(at=self.moments[age]) as snapshot:
                    found += len(self.scan(snapshot, channel))
            return found

        return work


Prepare = Callable[[Past, int, Sizes, Random], Work]


def _variants(prepare: Prepare, place: Place) -> Iterator[Variant]:
    if HeadwaterEmbedded.name not in place.live_engines:
        return
    past = Past(place)
    with ExitStack() as stack:
        stack.callback(past.engine.end)
        past.check()
        last = stack.pop_all()
    for age in sorted(past.moments):
        turn = partial(prepare, past, age, place.sizes)
        yield Variant(Contestant(f"headwater, {age} commits ago", turn), last.close)


def _rebuilds(place: Place) -> Iterator[Variant]:
    if HeadwaterEmbedded.name not in place.live_engines:
        return
    engine = HeadwaterEmbedded(place.new_directory(), is_durable=False)
    yield Variant(Contestant("headwater", partial(_rebuild, engine, place.sizes)), engine.end)


def _rebuild(engine: HeadwaterEmbedded, sizes: Sizes, _: Random) -> Work:
    with engine.database.snapshot() as snapshot:
        before = snapshot.query(application.Posts).count()
    posts = make_documents(before, sizes.bulk, sizes.bulk)
    engine.insert_many(posts)

    def work() -> int:
        engine.database.rebuild()
        return before + len(posts)

    return work


PAST_WORKLOADS: Final = (
    OwnWorkload(
        "past-get",
        "point read of the state some commits ago",
        "reads",
        partial(_variants, Past.point_reads),
    ),
    OwnWorkload(
        "past-scan-20",
        f"newest {SHORT} of a channel some commits ago",
        "documents",
        partial(_variants, Past.scans),
    ),
    OwnWorkload("rebuild", "tables and indexes anew from the log", "documents", _rebuilds),
)
