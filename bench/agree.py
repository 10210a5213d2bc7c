"""Engines that give different answers are not compared: first all of them do the same small work.

Each engine gets the same documents and the same questions; the first difference is named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

from bench.adapters.contract import PROCESSES, Engine, NotOffered
from bench.adapters.live_contract import LiveEngine
from bench.documents import Fields, author_name, channel_name, channels_of, make_documents
from bench.several import Crew

Answer: TypeAlias = tuple[str, Any]

_NOT_OFFERED: Final = "not offered"


class Disagreement(Exception):  # noqa: N818 - it is a finding, not a fault
    """Two engines gave different answers to the same question."""


def check_agreement(engines: Mapping[str, type[Engine]], directory: Path, count: int = 300) -> None:
    """Compare all engines with the first one, flushed and not.

    Args:
        engines: By name.
        directory: Empty, for their databases; removed by the caller.
        count: Documents.

    Raises:
        Disagreement: Names both engines, the question, and both answers.
    """
    for is_durable in (False, True):
        answers: dict[str, list[Answer]] = {}
        for name, make in engines.items():
            place = directory / f"{name}-{is_durable}"
            place.mkdir()
            answers[name] = _work(make, place, count, is_durable=is_durable)
        first = next(iter(answers), "")
        for name, others in answers.items():
            _compare(first, answers[first], name, others)


def check_live_agreement(engines: Mapping[str, type[LiveEngine]], directory: Path) -> None:
    """Compare what live queries show, before and after commits; as `check_agreement`."""
    for is_one_channel in (False, True):
        answers = {
            name: _watch(make, directory / f"live-{name}-{is_one_channel}", is_one_channel)
            for name, make in engines.items()
        }
        first = next(iter(answers), "")
        for name, others in answers.items():
            _compare(first, answers[first], name, others)


def check_process_agreement(engines: Mapping[str, type[Engine]], directory: Path) -> None:
    """Compare what is there after several processes have written; as `check_agreement`."""
    answers = {
        name: _write_together(make, directory / f"together-{name}")
        for name, make in engines.items()
        if any(map(make.takes_part, PROCESSES))
    }
    first = next(iter(answers), "")
    for name, others in answers.items():
        _compare(first, answers[first], name, others)


def _write_together(make: type[Engine], directory: Path) -> list[Answer]:
    directory.mkdir()
    crew = Crew(make, directory, 2, 20, is_durable=True)
    try:
        crew.work("insert", [(20, 10, 20), (30, 10, 20)])()
        crew.work("bump", [crew.keys[:1] * 10] * 2)()
    finally:
        crew.end()
    engine = make(directory, is_durable=True)
    try:
        titles = sorted(document["title"] for document in engine.scan())
        added = crew.failed() + (engine.get(crew.keys[0]) or {})["score"]
    finally:
        engine.end()
    return [("what two processes inserted", titles), ("how much two processes added", added)]


def _watch(make: type[LiveEngine], directory: Path, is_one_channel: bool) -> list[Answer]:  # noqa: FBT001
    directory.mkdir()
    engine = make(directory, 3, is_one_channel=is_one_channel)
    try:
        answers = _shown(engine, "at first")
        engine.insert([engine.post("elsewhere")])
        engine.update([engine.post("0") for _ in range(3)])
        return answers + _shown(engine, "after commits")
    finally:
        engine.end()


def _shown(engine: LiveEngine, when: str) -> list[Answer]:
    return [
        (f"what live query {at} shows {when}", _all(engine.newest(at)))
        for at in range(engine.subscriptions)
    ]


def _compare(first: str, expected: list[Answer], name: str, found: list[Answer]) -> None:
    for (question, mine), (_, theirs) in zip(expected, found, strict=True):
        if mine != theirs and _NOT_OFFERED not in (mine, theirs):
            raise Disagreement(
                f"{first} and {name} disagree about {question}, so neither is timed:\n"
                f"  {first}: {_text(mine)}\n  {name}: {_text(theirs)}"
            )


def _text(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 500 else f"{text[:500]}... ({len(text):,} characters)"


def _work(make: type[Engine], directory: Path, count: int, *, is_durable: bool) -> list[Answer]:
    """Write, ask, open again, ask again."""
    engine = make(directory, is_durable=is_durable)
    try:
        keys = _write(engine, count)
        answers = [*_questions(engine, keys, count), *_contend(engine, keys, count)]
    finally:
        engine.end()
    engine = make(directory, is_durable=is_durable)
    try:
        return answers + list(_questions(engine, keys, count))
    finally:
        engine.end()


def _write(engine: Engine, count: int) -> list[Any]:
    keys = list(engine.insert_many(make_documents(0, count, count)))
    keys += [engine.insert(fields) for fields in make_documents(count, 5, count)]
    random = Random(1)
    for key in random.sample(keys, len(keys) // 4):
        engine.patch(key, {"score": random.randrange(100), "rating": random.random()})
    # One share each: with more, the order in which they are inserted would be anybody's.
    engine.write_by_threads("insert", [_each(make_documents(count + 5, 3, count))])
    engine.write_by_tasks("insert", [_each(make_documents(count + 8, 3, count))])
    return keys


def _contend(engine: Engine, keys: list[Any], count: int) -> Iterator[Answer]:
    """Writers that want the same documents: of what they add nothing may be lost."""
    few = keys[:2]
    even = [(key, {"score": 0, "rating": 2.5}) for key in few]
    engine.patch_many(even)
    shares = [_each(few * 5)] * 4
    failed = engine.write_by_threads("bump", shares) + engine.write_by_tasks("bump", shares)
    yield "how much was added", failed + sum((engine.get(key) or {})["score"] for key in few)
    engine.patch_many(even)
    replies = make_documents(count + 11, 3, count)
    yield _ask("how many replies there are", lambda: _replies(engine, few[1], replies))
    engine.patch_many(even)
    yield "what adding 1 returns", _plain(engine.bump(few[0]))


def _replies(engine: Engine, key: Any, replies: list[Fields]) -> int:
    failed = engine.write_by_tasks("reply", [[(key, fields) for fields in replies]])
    found: int = failed + (engine.get(key) or {})["score"]
    return found


def _each(values: Iterable[Any]) -> list[tuple[Any]]:
    return [(value,) for value in values]


def _questions(engine: Engine, keys: list[Any], count: int) -> Iterator[Answer]:
    for at, key in enumerate(keys):
        yield f"document {at}", _plain(engine.get(key))
        yield f"document {at}, by a query", _plain(engine.ask(key))
    yield _ask("documents of one snapshot", lambda: _all(list(engine.get_each(keys))))
    for number in range(channels_of(count) + 1):
        channel = channel_name(number)
        for limit in (1, 20, 1000):
            yield _ask(f"the newest {limit} of {channel}", partial(_latest, engine, channel, limit))
            again = partial(_latest_again, engine, channel, limit)
            for _ in range(3):
                yield _ask(f"the newest {limit} of {channel}, asked again", again)
    for number in range(count // 20 + 1):
        name = author_name(number)
        yield _ask(f"the documents of author {number}", partial(_by_author, engine, name))
    yield _ask("all documents", lambda: _all(list(engine.scan())))
    yield _ask("whether an absent channel is empty", lambda: _all(engine.latest("none", 10)))
    yield "what a document carries", sorted(set(engine.get(keys[0]) or ()) - {"_creationTime"})


def _latest(engine: Engine, channel: str, limit: int) -> Any:
    return _all(engine.latest(channel, limit))


def _latest_again(engine: Engine, channel: str, limit: int) -> Any:
    return _all(engine.latest_again(channel, limit))


def _by_author(engine: Engine, author: str) -> Any:
    return _all(engine.by_author(author))


def _ask(question: str, ask: Callable[[], Any]) -> Answer:
    """An engine that has no such verb agrees with everybody, and is not measured by it."""
    try:
        return question, ask()
    except NotOffered:
        return question, _NOT_OFFERED


def _plain(document: Fields | None) -> Fields | None:
    """Without what differs from engine to engine by design."""
    if document is None:
        return None
    return {name: value for name, value in document.items() if name[0] != "_"}


def _all(documents: Sequence[Fields | None]) -> list[Fields | None]:
    return [_plain(document) for document in documents]
