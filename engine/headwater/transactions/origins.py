"""Who asked for a commit: marks that callers set around their calls."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from functools import lru_cache
from typing import Final

from headwater.errors import ArgumentError
from headwater.storage.commit_log import NO_ORIGIN, Origin

_marked: Final[ContextVar[Origin]] = ContextVar("headwater_origin", default=NO_ORIGIN)


@contextmanager
def origin(*, identity: str | None = None, request_id: str | None = None) -> Generator[None]:
    """Mark every commit that is made inside the block: ``with hw.origin(identity="ada"): ...``.

    Follows the caller into threads and tasks as context variables do. A block inside another one
    changes what it names and keeps the rest.

    Args:
        identity: Who asked, as the application names them.
        request_id: Under which the caller can find the commit, should it not hear of its outcome.

    Raises:
        ArgumentError: One of them is no string.
    """
    given: dict[str, object] = {"identity": identity, "request_id": request_id}
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise ArgumentError(
                f"hw.origin({name}={value!r}): expected a string, got {type(value).__name__}"
            )
    outer = _marked.get()
    marked = replace(
        outer,
        identity=outer.identity if identity is None else identity,
        request_id=outer.request_id if request_id is None else request_id,
    )
    with _marking(marked):
        yield


@contextmanager
def origin_as(identity: str | None) -> Generator[None]:
    """Mark every commit that is made inside the block with who asked, None for nobody."""
    with _marking(replace(_marked.get(), identity=identity)):
        yield


@contextmanager
def _marking(marked: Origin) -> Generator[None]:
    token = _marked.set(marked)
    try:
        yield
    finally:
        _marked.reset(token)


marked_origin: Final[Callable[[], Origin]] = _marked.get
"""What the caller has marked; `NO_ORIGIN` if it has marked nothing."""


@lru_cache(maxsize=1024)
def _origin_of_nobody(function: str) -> Origin:
    return Origin(function)


def origin_of(function: str) -> Origin:
    """The origin of a commit of this caller by a function; empty for an explicit transaction."""
    marked = _marked.get()
    if marked is NO_ORIGIN:
        return _origin_of_nobody(function)
    return Origin(function, marked.request_id, marked.identity)
