"""A live result in the hands of the application."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, cast

from headwater.errors import ClosedError
from headwater.reactive.subscription import Subscription, Transition

Q = TypeVar("Q")
Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class LiveSource(Protocol[Q_contra]):
    """Where the results of queries come from."""

    def subscribe(self, subscription: Subscription, queries: Sequence[Q_contra]) -> None:
        """Deliver the current results, always all of one moment, and every change from then on."""
        ...

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing more."""
        ...

    def abandon(self, subscription: Subscription) -> None:
        """Unsubscribe soon. For finalizers, which run while any lock may be held."""
        ...

    def call(self, callback: Callable[[], None]) -> None:
        """Call back on a thread that may be slow."""
        ...


class Live(Generic[R_co]):
    """The result of a query, now and after every commit that changes it.

    Iterate it, in a thread or in asyncio, or give it a callback: first comes the current result,
    then each new one. Every result is a consistent state at one timestamp, later ones are newer,
    and the last one always comes; who is slow skips those in between. Each result is a copy of its
    own. If the query raises, iteration raises the same, and may be continued.

    Close it, or use it in a ``with`` block, when it is not needed any more.
    """

    __slots__ = ("__weakref__", "_calls_back", "_is_single", "_source", "_subscription", "_ts")

    def __init__(self, source: LiveSource[Q], queries: Sequence[Q], *, is_single: bool) -> None:
        self._source: LiveSource[Any] = source
        self._is_single = is_single
        self._subscription = Subscription()
        self._ts = 0
        self._calls_back = False
        source.subscribe(self._subscription, queries)

    @property
    def ts(self) -> int:
        """Timestamp of the result that was handed out last, 0 before the first."""
        return self._ts

    def next(self, timeout_seconds: float | None = None) -> R_co:
        """The next result; the first call returns the current one.

        Args:
            timeout_seconds: How long to wait; for ever by default.

        Raises:
            TimeoutError: Nothing changed in time.
            ClosedError: It was closed.
        """
        transition = self._subscription.wait(timeout_seconds)
        if transition is None:
            if self._subscription.is_closed:
                raise _closed()
            raise TimeoutError(f"the live result did not change within {timeout_seconds} s")
        return self._value(transition)

    def __iter__(self) -> Iterator[R_co]:
        """Results until it is closed."""
        while (transition := self._subscription.wait(None)) is not None:
            yield self._value(transition)

    async def __aiter__(self) -> AsyncIterator[R_co]:
        """Results until it is closed, without blocking the event loop."""
        import asyncio  # which takes longer to import than all of headwater

        loop = asyncio.get_running_loop()
        news = asyncio.Event()

        def notify() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(news.set)

        self._subscription.on_news(notify)
        while not self._subscription.is_closed:
            await news.wait()
            news.clear()
            transition = self._subscription.take()
            if transition is not None and not self._subscription.is_closed:
                yield self._value(transition)

    def on_change(self, callback: Callable[[R_co], object]) -> Callable[[], None]:
        """Call back with the current result and with each new one.

        The callbacks of a database run one after the other on a thread of their own; what one
        raises is logged. They may use the database.

        Returns:
            A function that ends the subscription.
        """
        self._calls_back = True

        def call() -> None:
            transition = self._subscription.take()
            if transition is not None and not self._subscription.is_closed:
                callback(self._value(transition))

        self._subscription.on_news(lambda: self._source.call(call))
        return self.close

    def close(self) -> None:
        """End the subscription; an iteration that waits ends too."""
        self._source.unsubscribe(self._subscription)
        self._subscription.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # A live result that nobody holds can tell nobody; one with a callback can.
        if not getattr(self, "_calls_back", True):
            self._source.abandon(self._subscription)

    def _value(self, transition: Transition) -> R_co:
        self._ts = transition.ts
        values: list[Any] = transition.values()
        return cast("R_co", values[0] if self._is_single else tuple(values))


def _closed() -> ClosedError:
    return ClosedError("the live result is closed; watch the query again")
