"""Operations beside a thread that computes and never waits, which is what Python shares worst.

A thread that wants to go on asks for the interpreter, and gets it after one switch interval at the
latest (`sys.getswitchinterval`), each time that it has let go of it. The two threads share the
processor's time: what takes one second alone may take two. So an operation that takes ``t`` alone
may take ``2 t`` and one switch interval; one that lets go of the interpreter several times on its
way takes several. The row "allowed" says what that bound is as a rate, round by round.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Final

from bench.adapters.contract import Engine
from bench.documents import make_documents
from bench.measure import Contestant, Work
from bench.own import OwnWorkload, Place, Samples, Variant
from bench.sessions import Session
from bench.sizes import SHORT, Sizes

ALONE: Final = "alone"
BUSY: Final = "beside a busy thread"
ALLOWED: Final = "allowed"
_SHARE: Final = 2
"""Threads that share the interpreter."""

_GETS: Final = 5
"""Point reads for each other operation: a turn has to take several switch intervals."""

_BATCH: Final = 2000

Prepare = Callable[[Session, Random], Work]


class BusyThread:
    """A thread that computes from `start` to `stop`."""

    def __init__(self) -> None:
        self._is_over = False
        self._thread: Thread | None = None

    def _compute(self, started: Event) -> None:
        started.set()
        number = 0
        while not self._is_over:
            number = (number * 31 + 7) % 1_000_003

    def start(self) -> None:
        """Returns when it computes."""
        started = Event()
        self._is_over = False
        self._thread = Thread(target=self._compute, args=(started,), name="busy", daemon=True)
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """Tell it; waits for nothing."""
        self._is_over = True

    def join(self) -> None:
        """Wait until it has ended, if it runs."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def allowed(samples: Samples) -> Samples:
    """What the two threads' fair share and one switch interval make of each engine's speed."""
    interval = sys.getswitchinterval()
    found: dict[str, list[float]] = {}
    for name, rates in samples.items():
        engine, _, what = name.partition(", ")
        if what == ALONE:
            found[f"{engine}, {ALLOWED}"] = [1 / (_SHARE / rate + interval) for rate in rates]
    return found


def _variants(
    name: str, prepare: Prepare, place: Place, *, is_durable: bool = False
) -> Iterator[Variant]:
    for engine, make in place.engines.items():
        if make.takes_part(name):
            session = _open(make, place.new_directory(), place.sizes, is_durable=is_durable)
            busy = BusyThread()
            alone = partial(_alone, busy, prepare, session)
            yield Variant(Contestant(f"{engine}, {ALONE}", alone), session.engine.end)
            beside = partial(_beside, busy, prepare, session)
            yield Variant(Contestant(f"{engine}, {BUSY}", beside), busy.join)


def _alone(busy: BusyThread, prepare: Prepare, session: Session, random: Random) -> Work:
    busy.join()
    return prepare(session, random)


def _beside(busy: BusyThread, prepare: Prepare, session: Session, random: Random) -> Work:
    work = _alone(busy, prepare, session, random)
    busy.start()

    def beside() -> int:
        done = work()
        busy.stop()
        return done

    return beside


def _open(make: type[Engine], directory: Path, sizes: Sizes, *, is_durable: bool) -> Session:
    with ExitStack() as stack:
        engine = make(directory, is_durable=is_durable)
        stack.callback(engine.end)
        keys: list[object] = []
        for first in range(0, sizes.shared, _BATCH):
            count = min(_BATCH, sizes.shared - first)
            keys += engine.insert_many(make_documents(first, count, sizes.shared))
        stack.pop_all()
        return Session(engine, partial(make, directory, is_durable=is_durable), keys, sizes)


def _gets(session: Session, random: Random) -> Work:
    keys = session.some_keys(random, _GETS * session.sizes.beside)
    return lambda: sum([session.engine.get(key) is not None for key in keys])


def _scans(session: Session, random: Random) -> Work:
    channels = session.some_channels(random, session.sizes.beside)
    return lambda: len([session.engine.latest(channel, SHORT) for channel in channels])


def _inserts(session: Session, _: Random) -> Work:
    documents = session.documents(session.sizes.beside)
    return lambda: len([session.engine.insert(fields) for fields in documents])


def _workload(name: str, title: str, prepare: Prepare, *, is_durable: bool = False) -> OwnWorkload:
    return OwnWorkload(
        name,
        f"{title}, alone and beside a thread that computes",
        "operations",
        partial(_variants, name, prepare, is_durable=is_durable),
        allowed,
    )


BESIDE_WORKLOADS: Final = (
    _workload("beside-get", "point read", _gets),
    _workload("beside-scan-20", f"scan of the newest {SHORT}", _scans),
    _workload("beside-insert", "insert, not flushed", _inserts),
    _workload("beside-durable", "durable insert", _inserts, is_durable=True),
)
