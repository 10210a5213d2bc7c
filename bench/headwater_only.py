"""What no peer has: live queries and rebuilding. The baseline is Headwater with less of it."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, cast

import headwater as hw
from bench.adapters import headwater_application as application
from bench.adapters.headwater_application import NewPost
from bench.documents import make_documents
from bench.measure import Contestant, Work
from bench.workloads import SHORT, Sizes

_ELSEWHERE: Final = "a channel that nobody watches"
_WAIT_SECONDS: Final = 60.0


class LiveSession:
    """A database with live queries, each on the newest documents of a channel of its own."""

    def __init__(self, directory: Path, subscriptions: int) -> None:
        self.database = hw.open(directory / "posts.hw", modules=[application], durability="none")
        channels = max(1, subscriptions)
        posts = make_documents(0, channels * SHORT, 0)
        for at, post in enumerate(posts):
            post["channel"] = str(at % channels)
        for at in range(0, len(posts), 2000):
            batch = cast("list[NewPost]", posts[at : at + 2000])
            self.database.mutate(application.add_many, posts=batch)
        self.lives: list[hw.Live[Any]] = [
            self.database.watch(application.latest, channel=str(channel), count=SHORT)
            for channel in range(subscriptions)
        ]
        for live in self.lives:
            live.next(_WAIT_SECONDS)
        self._numbers = count(len(posts))

    def post(self, channel: str) -> NewPost:
        """A document that was not inserted yet."""
        (fields,) = make_documents(next(self._numbers), 1, 0)
        return cast("NewPost", {**fields, "channel": channel})

    def end(self) -> None:
        """Close everything."""
        for live in self.lives:
            live.close()
        self.database.close()


@dataclass(frozen=True, slots=True)
class OwnWorkload:
    """A workload of Headwater alone.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        unit: What is counted per second.
        prepare: Makes the work of one turn.
        counts: From the sizes: how many subscriptions each contestant has; the first is the
            baseline.
    """

    name: str
    title: str
    unit: str
    prepare: Callable[[LiveSession, Sizes, Random], Work]
    counts: Callable[[Sizes], tuple[int, ...]]

    def contestants(
        self, make_directory: Callable[[], Path], sizes: Sizes
    ) -> "tuple[list[Contestant], list[LiveSession]]":
        """Who takes turns, and what has to be ended afterwards."""
        found: list[Contestant] = []
        sessions: list[LiveSession] = []
        for subscriptions in dict.fromkeys(self.counts(sizes)):
            session = LiveSession(make_directory(), subscriptions)
            sessions.append(session)
            found.append(Contestant(_label(subscriptions), self._turn(session, sizes)))
        return found, sessions

    def _turn(self, session: LiveSession, sizes: Sizes) -> Callable[[Random], Work]:
        return lambda random: self.prepare(session, sizes, random)


def _label(subscriptions: int) -> str:
    return f"{subscriptions} live {'query' if subscriptions == 1 else 'queries'}"


def _updates(session: LiveSession, sizes: Sizes, random: Random) -> Work:
    """Insert a document, wait until the one affected result has arrived, and so on."""
    channels = [random.randrange(len(session.lives)) for _ in range(sizes.updates)]
    posts = [session.post(str(channel)) for channel in channels]

    def work() -> int:
        for channel, post in zip(channels, posts, strict=True):
            key = session.database.mutate(application.add, post=post)
            newest = session.lives[channel].next(_WAIT_SECONDS)
            assert newest[0]["_id"] == key
        return len(channels)

    return work


def _untouched(session: LiveSession, sizes: Sizes, _: Random) -> Work:
    """Insert documents that no live query has read."""
    posts = [session.post(_ELSEWHERE) for _ in range(sizes.quick_commits)]

    def work() -> int:
        for post in posts:
            session.database.mutate(application.add, post=post)
        return len(posts)

    return work


def _rebuild(session: LiveSession, sizes: Sizes, _: Random) -> Work:
    posts = [session.post(_ELSEWHERE) for _ in range(sizes.bulk)]
    session.database.mutate(application.add_many, posts=posts)
    with session.database.snapshot() as snapshot:
        total = snapshot.query(application.Posts).count()

    def work() -> int:
        session.database.rebuild()
        return total

    return work


_OWN_WORKLOADS: Final = (
    OwnWorkload(
        "live-update",
        "insert until the affected live result has arrived",
        "updates",
        _updates,
        lambda sizes: (1, sizes.subscriptions),
    ),
    OwnWorkload(
        "live-untouched",
        "insert that touches no live query",
        "commits",
        _untouched,
        lambda sizes: (0, sizes.subscriptions),
    ),
    OwnWorkload(
        "rebuild", "tables and indexes anew from the log", "documents", _rebuild, lambda _: (0,)
    ),
)

OWN_WORKLOADS: Final = {workload.name: workload for workload in _OWN_WORKLOADS}
