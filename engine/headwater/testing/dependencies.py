"""The graph of dependencies between transactions, and its shortest cycles.

Adya's direct serialization graph: an edge leads from a transaction to one that has to come after
it. *wr*: the other read what this one wrote. *ww*: the other wrote the next version. *rw*: the
other wrote the next version of what this one read. A cycle means that no order explains what was
seen. Further edges say what the database promises beyond: *time*, this one had ended before the
other began; *log*, it is before the other in the log.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.testing.histories import UNKNOWN, DocumentRead, History

Kind: TypeAlias = Literal["wr", "ww", "rw", "time", "log"]


class Dependency(NamedTuple):
    """Why one transaction comes before another, both by their place in the history.

    Attributes:
        id: The document; empty for time and log.
        read: What the reader saw, for wr and rw.
    """

    before: int
    after: int
    kind: Kind
    id: str = ""
    read: DocumentRead | None = None


Cycle: TypeAlias = Sequence[Dependency]
_STARTS: Final = 20
"""How many transactions the search for a short cycle begins with."""

_Graph: TypeAlias = dict[int, dict[int, Dependency]]


def data_dependencies(history: History) -> Iterator[Dependency]:
    """Those that follow from what was read and written. O(reads + writes)."""
    chains = _chains(history)
    for id, chain in chains.items():
        for (_, earlier), (_, later) in pairwise(chain):
            yield Dependency(earlier, later, "ww", id)
    places = {id: {ts: at for at, (ts, _) in enumerate(chain)} for id, chain in chains.items()}
    for reader, transaction in enumerate(history.transactions):
        for read in transaction.reads:
            chain, place = chains.get(read.id, []), places.get(read.id, {})
            if read.ts in place:
                yield Dependency(chain[place[read.ts]][1], reader, "wr", read.id, read)
            following = place.get(read.last_ts, -1) + 1
            if read.ts != UNKNOWN and following < len(chain):
                yield Dependency(reader, chain[following][1], "rw", read.id, read)


def _chains(history: History) -> dict[str, list[tuple[int, int]]]:
    """Timestamp and writer of each version of each document, oldest first."""
    chains: dict[str, list[tuple[int, int]]] = {}
    for at, transaction in enumerate(history.transactions):
        for id in transaction.writes:
            chains.setdefault(id, []).append((transaction.ts, at))
    for chain in chains.values():
        chain.sort()
    return chains


def log_dependencies(history: History) -> Iterator[Dependency]:
    """The order of the commits."""
    writers = [at for at, found in enumerate(history.transactions) if found.writes]
    writers.sort(key=lambda at: history.transactions[at].ts)
    for earlier, later in pairwise(writers):
        yield Dependency(earlier, later, "log")


def time_dependencies(history: History) -> Iterator[Dependency]:
    """Who had ended before whom. A chain of moments stands between, with numbers below 0."""
    moments: list[tuple[float, bool, int]] = []
    for at, transaction in enumerate(history.transactions):
        if transaction.began is not None:
            moments.append((transaction.began, False, at))
        if transaction.ended is not None:
            moments.append((transaction.ended, True, at))
    moment = 0
    for _, is_end, at in sorted(moments):
        if is_end:
            moment -= 1
            yield Dependency(at, moment, "time")
            if moment < -1:
                yield Dependency(moment + 1, moment, "time")
        elif moment:
            yield Dependency(moment, at, "time")


def shortest_cycles(dependencies: Iterator[Dependency]) -> list[Cycle]:
    """A cycle with few members for each part of the graph that has any."""
    graph: _Graph = {}
    for dependency in dependencies:
        if dependency.before != dependency.after:
            graph.setdefault(dependency.before, {}).setdefault(dependency.after, dependency)
            graph.setdefault(dependency.after, {})
    return [_shortest(graph, set(part)) for part in _components(graph) if len(part) > 1]


def _components(graph: _Graph) -> Iterator[list[int]]:
    """Strongly connected parts, after Tarjan, without recursion."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: dict[int, None] = {}
    for root in graph:
        if root in number:
            continue
        path = [(root, iter(graph[root]))]
        number[root] = low[root] = len(number)
        waiting[root] = None
        while path:
            node, following = path[-1]
            found = next(following, None)
            if found is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == number[node]:
                    yield _popped(waiting, node)
            elif found not in number:
                number[found] = low[found] = len(number)
                waiting[found] = None
                path.append((found, iter(graph[found])))
            elif found in waiting:
                low[node] = min(low[node], number[found])


def _popped(waiting: dict[int, None], until: int) -> list[int]:
    part: list[int] = []
    while not part or part[-1] != until:
        part.append(waiting.popitem()[0])
    return part


def _shortest(graph: _Graph, part: set[int]) -> Cycle:
    """The shortest cycle through one of the first transactions of a part."""
    starts = sorted(node for node in part if node >= 0)[:_STARTS]
    return min([_joined(_back_to(graph, part, start)) for start in starts], key=len)


def _back_to(graph: _Graph, part: set[int], start: int) -> list[Dependency]:
    """The shortest way from a transaction back to itself; there is one within its part.

    Steps along the chain of moments cost nothing, as they add no transaction.
    """
    reached_by: dict[int, Dependency] = {}
    ahead = deque([start])
    while ahead:
        node = ahead.popleft()
        for following, dependency in graph[node].items():
            if following not in part or following in reached_by:
                continue
            reached_by[following] = dependency
            if following == start:
                return _way(reached_by, start)
            if following < 0:
                ahead.appendleft(following)
            else:
                ahead.append(following)
    raise AssertionError("a part of the graph is not connected")


def _way(reached_by: dict[int, Dependency], start: int) -> list[Dependency]:
    way = [reached_by[start]]
    while way[-1].before != start:
        way.append(reached_by[way[-1].before])
    return way[::-1]


def _joined(way: Sequence[Dependency]) -> Cycle:
    """The cycle with one step for several that follow from one another.

    From a transaction over moments to another one; from one version of a document, or place in the
    log, over others to a later one. Those that are only passed take no part.
    """
    joined: list[Dependency] = []
    for step in way:
        last = joined[-1] if joined else None
        if last is not None and (step.before < 0 or _goes_on(last, step)):
            joined[-1] = last._replace(after=step.after)
        else:
            joined.append(step)
    if len(joined) > 2 and _goes_on(joined[-1], joined[0]):
        joined[-1] = joined[-1]._replace(after=joined.pop(0).after)
    return joined


def _goes_on(step: Dependency, following: Dependency) -> bool:
    same = (step.kind, step.id) == (following.kind, following.id)
    return same and step.kind in ("ww", "log")
