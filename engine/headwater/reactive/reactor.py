"""The thread that runs touched live queries, the one that calls callbacks, and who else listens."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from headwater.reactive.live_queries import LiveQueries, Wanted
from headwater.reactive.log_listeners import Listener, Listeners
from headwater.reactive.subscription import Subscription
from headwater.transactions.commit_keys import CommitKeys
from headwater.transactions.store import Store

if TYPE_CHECKING:
    from headwater.reactive.callbacks import Callbacks

_RETRY_SECONDS: Final = 0.25
"""How long a round that failed waits for the disk to come back."""


class Reactor:
    """Wakes when a commit touched a live query, and sleeps otherwise. A `LiveSource`.

    Attributes:
        queries: The live queries.
        listeners: Others who are told of every commit.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # A queue, because its put may be called while any code runs, a finalizer's too.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._callbacks: Callbacks | None = None
        self._lock = threading.Lock()
        self.queries: LiveQueries = LiveQueries(store, self.wake)
        self.listeners: Listeners = Listeners()

    def start(self) -> None:
        """Begin to listen for commits. Called with each new subscription."""
        with self._lock:
            if self._thread is None:
                self._thread = _start(self._loop, "headwater-reactor")
                self._connect()

    def listen(self, listener: Listener) -> None:
        """Tell somebody of every commit from now on, until it says that it is closed."""
        with self._lock:
            self.listeners.add(listener)
            self._connect()

    def _connect(self) -> None:
        self._store.on_commit = self._committed
        self._store.on_doubt = self.hear

    def _committed(self, commits: list[CommitKeys]) -> None:
        if self._thread is not None:
            self.queries.committed(commits)
        self.listeners.tell(commits)

    def hear(self) -> None:
        """Another process has committed, or this one may have."""
        self.wake()
        self.listeners.tell(None)

    def subscribe(self, subscription: Subscription, queries: Sequence[Wanted]) -> None:
        """Deliver the current results, always all of one moment, and every change from then on."""
        self.start()
        self.queries.subscribe(subscription, queries)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing more."""
        self.queries.unsubscribe(subscription)

    def abandon(self, subscription: Subscription) -> None:
        """Unsubscribe soon. For finalizers, which run while any lock may be held."""
        self.queries.abandon(subscription)

    def wake(self) -> None:
        """Run a round soon: a query was touched, or another process has committed."""
        if not self._is_woken:
            self._is_woken = True
            self._news.put(None)

    def call(self, callback: Callable[[], None]) -> None:
        """Call back on a thread that may be slow without delaying the live queries."""
        with self._lock:
            if self._callbacks is None:
                from headwater.reactive.callbacks import Callbacks

                self._callbacks = Callbacks()
        self._callbacks.call(callback)

    def after_fork_in_child(self) -> None:
        """End everything: the threads are the parent's, and nobody would be told any more."""
        self.queries.after_fork_in_child()
        self.listeners.close()

    def close(self) -> None:
        """End all subscriptions and both threads."""
        self._store.on_commit = None
        self._store.on_doubt = None
        self.queries.close()
        self.listeners.close()
        self._stop.set()
        self._news.put(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if self._callbacks is not None:
            self._callbacks.close()

    def _loop(self) -> None:
        while True:
            self._news.get()
            self._is_woken = False
            try:
                while not self._stop.is_set() and self.queries.run_round():
                    pass
            except Exception:
                import logging

                logging.getLogger("headwater").exception("live queries could not be brought up")
                # What is marked stays marked: without another round, the last state never came.
                self._stop.wait(_RETRY_SECONDS)
                self.wake()
            if self._stop.is_set():
                return


def _start(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread
