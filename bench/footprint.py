"""What is measured in bytes: a document on the disk, a live query in memory."""

import gc
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.adapters.live_headwater import LiveHeadwater
from bench.documents import json_size, make_documents
from bench.own import Place
from bench.processes import hear, say, start, tell
from bench.soak import memory_bytes

_BATCH: Final = 2000
_CHILD: Final = "import sys; from bench.footprint import subscriber; subscriber(*sys.argv[1:])"

Found = tuple[str, float]
"""A contestant, and bytes of one unit."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A measurement of size: made once, for it does not depend on how busy the machine is.

    Attributes:
        name: On the command line and in results.
        title: For readers.
        unit: What a number of bytes belongs to.
        measure: Yields the baseline first.
    """

    name: str
    title: str
    unit: str
    measure: Callable[[Place], Iterator[Found]]


def _disk(place: Place) -> Iterator[Found]:
    count = place.sizes.documents
    documents = make_documents(0, count, count)
    yield "json", sum(map(json_size, documents)) / count
    for name, make in place.engines.items():
        if not make.takes_part(DISK):
            continue
        engine = make(place.new_directory(), is_durable=False)
        try:
            kept = documents[: make.documents_max]
            for first in range(0, len(kept), _BATCH):
                engine.insert_many(kept[first : first + _BATCH])
        finally:
            engine.end()
        yield name, engine.stored_bytes() / len(kept)


def _memory(place: Place) -> Iterator[Found]:
    if LiveHeadwater.name not in place.engines:
        return
    count = place.sizes.subscriptions
    for channel, label in (("empty", "an empty result"), ("0", "a result of 20 documents")):
        with start(_CHILD, place.new_directory(), count, channel) as child:
            grown = int(hear(child))
            tell(child, "")
        yield f"headwater, {label}", grown / count


def subscriber(directory: str, subscriptions: str, channel: str) -> None:
    """The process whose memory is measured: opens live queries, says by how much it grew."""
    # The first ones bring code, threads and caches, which are nobody's.
    engine = LiveHeadwater(Path(directory), 10, is_one_channel=True)
    gc.collect()
    before = memory_bytes()
    engine.watch([channel] * int(subscriptions))
    gc.collect()
    say(str(max(1, memory_bytes() - before)))
    sys.stdin.readline()
    engine.end()


DISK: Final = "disk"

FOOTPRINTS: Final = (
    Footprint(DISK, "files on the disk, two indexes and a log included", "document", _disk),
    Footprint("memory", "memory of an open live query beyond the database", "live query", _memory),
)
