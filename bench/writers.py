"""Several writers at once, and what they had to give up."""

from collections.abc import Callable

from bench.adapters.contract import Shares, Verb
from bench.measure import Work
from bench.sessions import Session


def by_threads(session: Session, verb: Verb, shares: Shares) -> Work:
    """Each share on a thread of its own."""
    return _work(session, session.engine.write_by_threads, verb, shares)


def by_tasks(session: Session, verb: Verb, shares: Shares) -> Work:
    """Each share by an asyncio task; peers use threads."""
    return _work(session, session.engine.write_by_tasks, verb, shares)


def _work(
    session: Session, write: Callable[[Verb, Shares], int], verb: Verb, shares: Shares
) -> Work:
    calls = sum(map(len, shares))

    def work() -> int:
        failed = write(verb, shares)
        session.failures += failed
        return calls - failed  # what was given up is no work done

    return work
