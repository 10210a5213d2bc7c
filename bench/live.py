"""Live fan-out: one commit, and many live queries of which it touches none, one or all."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final

from bench.adapters.live_contract import LiveEngine
from bench.measure import Contestant, Work
from bench.own import OwnWorkload, Place, Variant
from bench.sizes import Sizes

_ELSEWHERE: Final = "a channel that nobody watches"
_STEPS: Final = (1, 100, 1000, 10_000)

Prepare = Callable[[LiveEngine, Sizes, Random], Work]


def steps(most: int) -> tuple[int, ...]:
    """1, 100, 1000 and 10,000 as far as they are below ``most``, which is the last."""
    return (*(step for step in _STEPS if step < most), most)


def _variants(
    prepare: Prepare,
    counts: Callable[[Sizes], tuple[int, ...]],
    place: Place,
    *,
    is_one_channel: bool = False,
    is_empty: bool = False,
    is_durable: bool = False,
) -> Iterator[Variant]:
    for make in place.live_engines.values():
        for subscriptions in counts(place.sizes):
            if make.subscriptions_max is not None and subscriptions > make.subscriptions_max:
                continue
            engine = make(
                place.new_directory(),
                subscriptions,
                is_one_channel=is_one_channel,
                is_empty=is_empty,
                is_durable=is_durable,
            )
            turn = partial(_turn, prepare, engine, place.sizes)
            name = f"{make.name}, {_label(subscriptions)}"
            yield Variant(Contestant(name, turn), engine.end)


def _turn(prepare: Prepare, engine: LiveEngine, sizes: Sizes, random: Random) -> Work:
    return prepare(engine, sizes, random)


def _label(subscriptions: int) -> str:
    return f"{subscriptions} live {'query' if subscriptions == 1 else 'queries'}"


def _one(engine: LiveEngine, sizes: Sizes, random: Random) -> Work:
    """Insert a document, wait until the one affected result has arrived, and so on."""
    count = max(1, round(sizes.updates * engine.effort))
    posts = [engine.post(str(random.randrange(engine.channels))) for _ in range(count)]
    return partial(_updates, engine, posts)


def _all(engine: LiveEngine, sizes: Sizes, _: Random) -> Work:
    """Insert a document, wait until the result of every live query has arrived, and so on."""
    return partial(_updates, engine, [engine.post("0") for _ in range(sizes.updates_of_all)])


def _updates(engine: LiveEngine, posts: list[dict[str, object]]) -> int:
    engine.update(posts)
    return len(posts)


def _none(engine: LiveEngine, sizes: Sizes, _: Random) -> Work:
    """Insert documents that no live query has read."""
    count = max(1, round(sizes.quick_commits * engine.effort))
    posts = [engine.post(_ELSEWHERE) for _ in range(count)]

    def work() -> int:
        engine.insert(posts)
        return len(posts)

    return work


LIVE_WORKLOADS: Final = (
    OwnWorkload(
        "live-untouched",
        "insert that touches no live query",
        "commits",
        # On empty channels: what differs is the number of live queries, not that of documents.
        partial(
            _variants, _none, lambda sizes: (0, *steps(sizes.subscriptions)[1:]), is_empty=True
        ),
    ),
    OwnWorkload(
        "live-update",
        "insert until the one affected live result has arrived",
        "updates",
        partial(_variants, _one, lambda sizes: steps(sizes.subscriptions)),
    ),
    OwnWorkload(
        "live-update-durable",
        "durable insert until the one affected live result has arrived",
        "updates",
        partial(_variants, _one, lambda sizes: steps(sizes.subscriptions), is_durable=True),
    ),
    OwnWorkload(
        "live-all",
        "insert until all live results, every one affected, have arrived",
        "updates",
        partial(_variants, _all, lambda sizes: steps(sizes.subscriptions), is_one_channel=True),
    ),
)
