"""Headwater's live queries: `Database.watch` of a declared query."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import headwater as hw
from bench.adapters import headwater_application as application
from bench.adapters.headwater_application import NewPost
from bench.adapters.live_contract import SHOWN, WAIT_SECONDS, LiveEngine
from bench.documents import Fields


class LiveHeadwater(LiveEngine):
    """An open database; by the argument ``asked`` no two live queries share a result."""

    name = "headwater"
    title = "Headwater, embedded: db.watch of a declared query"

    def __init__(
        self,
        directory: Path,
        subscriptions: int,
        *,
        is_one_channel: bool = False,
        is_empty: bool = False,
        is_durable: bool = False,
    ) -> None:
        super().__init__(
            directory,
            subscriptions,
            is_one_channel=is_one_channel,
            is_empty=is_empty,
            is_durable=is_durable,
        )
        self.database = hw.open(
            directory / "posts.hw",
            modules=[application],
            durability="full" if is_durable else "none",
        )
        for batch in self.first_posts():
            self.database.mutate(application.add_many, posts=cast("list[NewPost]", batch))
        self._lives: list[hw.Live[Any]] = []
        self._shown: list[list[Fields]] = []
        self.watch([str(at % self.channels) for at in range(subscriptions)])

    def watch(self, channels: Sequence[str]) -> None:
        """Open one more live query on each, and wait for their first results."""
        opened: list[hw.Live[Any]] = [
            self.database.watch(application.latest, channel=channel, count=SHOWN, asked=at)
            for at, channel in enumerate(channels, len(self._lives))
        ]
        self._lives += opened
        self._shown += [live.next(WAIT_SECONDS) for live in opened]

    def insert(self, posts: Sequence[Fields]) -> None:
        for post in posts:
            self._add(post)

    def update(self, posts: Sequence[Fields]) -> None:
        for post in posts:
            key = self._add(post)
            for at in range(int(post["channel"]), self.subscriptions, self.channels):
                self._wait_for(at, key)

    def _wait_for(self, at: int, key: object) -> None:
        while True:
            shown = self._shown[at] = self._lives[at].next(WAIT_SECONDS)
            if shown[0]["_id"] == key:
                return

    def _add(self, post: Fields) -> object:
        return self.database.mutate(application.add, post=cast("NewPost", post))

    def newest(self, subscription: int) -> list[Fields]:
        return self._shown[subscription]

    def end(self) -> None:
        for live in self._lives:
            live.close()
        self.database.close()
