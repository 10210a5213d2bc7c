"""Finding who is affected by a commit, among very many: the structure alone, without a database.

A million live queries of a database would take gigabytes for their results; what finds the
affected among them is `headwater_indexes.interval_map`, which is measured here with what live
queries and commits give it: the interval that a query has read, and the keys that an insert
writes. `live-untouched` and `live-update` measure the whole way.
"""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final

from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.measure import Contestant, Work
from bench.own import OwnWorkload, Place, Variant
from headwater_indexes.definition import IndexDefinition
from headwater_indexes.interval_map import IntervalMap
from headwater_indexes.intervals import Interval
from headwater_indexes.keys import prefix_end

FEW: Final = 1000
_COMMITS_PER_READ: Final = 4
"""One takes a microsecond or two."""

_SPACE: Final = 1
_OTHER_SPACE: Final = 2
_WIDTH: Final = 10
_ID: Final = "j57038h20pmrzg5cje7e4sw8q7nv75j5"
"""An id as documents have it; which one makes no difference."""

_BY_CHANNEL: Final = IndexDefinition("by_channel", ("channel",))
_BY_SCORE: Final = IndexDefinition("by_score", ("score",))
_BY_AUTHOR: Final = IndexDefinition("by_author", ("author",))

_Keys = dict[int, list[bytes]]


def of_channel(number: int) -> Interval:
    """What a live query on the newest of a channel depends on."""
    prefix = _BY_CHANNEL.encode_prefix([_channel(number)])
    low = _BY_CHANNEL.key_of({"channel": _channel(number)}, _ID)
    return Interval(_SPACE, low, prefix_end(prefix), len(prefix))


def of_scores(number: int) -> Interval:
    """What a live query on a range of scores depends on; no two of them have a score in common."""
    low, high = number * _WIDTH, (number + 1) * _WIDTH
    return Interval(_SPACE, _BY_SCORE.encode_prefix([low]), _BY_SCORE.encode_prefix([high]))


def _channel(number: int) -> str:
    return f"channel-{number:07d}"


def in_channel(number: int, random: Random) -> _Keys:
    """The keys of the indexes that an insert writes which one live query on a channel sees."""
    fields = {"channel": _channel(number), "author": f"author-{random.randrange(10**6):06d}"}
    return {
        # A later document than that from which on the query looks.
        _SPACE: [_BY_CHANNEL.key_of(fields, _ID[:-1] + "6")],
        _OTHER_SPACE: [_BY_AUTHOR.key_of(fields, _ID)],
    }


def in_scores(number: int, random: Random) -> _Keys:
    """Likewise for one on a range of scores."""
    score = number * _WIDTH + random.randrange(_WIDTH)
    return {_SPACE: [_BY_SCORE.key_of({"score": score}, _ID)]}


def _variants(
    of: Callable[[int], Interval], keys_of: Callable[[int, Random], _Keys], place: Place
) -> Iterator[Variant]:
    if HeadwaterEmbedded.name not in place.engines:
        return
    commits = _COMMITS_PER_READ * place.sizes.reads
    for count in dict.fromkeys((min(FEW, place.sizes.dependents), place.sizes.dependents)):
        subscriptions: IntervalMap[int] = IntervalMap()
        for number in range(count):
            subscriptions.add(number, of(number))
        turn = partial(_prepare, subscriptions, keys_of, count, commits)
        name = f"{HeadwaterEmbedded.name}, {count} subscriptions"
        yield Variant(Contestant(name, turn), lambda: None)


def _prepare(
    subscriptions: IntervalMap[int],
    keys_of: Callable[[int, Random], _Keys],
    count: int,
    commits: int,
    random: Random,
) -> Work:
    numbers = [random.randrange(count) for _ in range(commits)]
    keys = [keys_of(number, random) for number in numbers]
    find = subscriptions.touched_many

    def work() -> int:
        return sum([len(find(touched)) for touched in keys])  # one each

    return work


AFFECTED_WORKLOADS: Final = (
    OwnWorkload(
        "affected",
        "find the one affected subscription, each on a channel of its own",
        "commits",
        partial(_variants, of_channel, in_channel),
    ),
    OwnWorkload(
        "affected-ranges",
        "find the one affected subscription, each on a range of its own",
        "commits",
        partial(_variants, of_scores, in_scores),
    ),
)
