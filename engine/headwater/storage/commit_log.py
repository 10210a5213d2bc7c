"""The log: one record per commit, keyed by its timestamp. Everything else can be rebuilt from it.

A record is a checksum and one msgpack array ``[previous ts, origin, [event, ...]]``; an event is
``[id, previous ts, creation time or nil, body or nil]``. The body of a document is a string of
bytes inside the record, so that reading the log does not take documents apart. ``previous ts`` of
an event makes the history of each document a linked list; that of the commit makes a missing
commit noticeable. A large array is compressed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias, cast

from headwater.errors import CorruptionError
from headwater.storage.codec import pack_record, unpack, unpack_record
from headwater.storage.compression import compress, decompress
from headwater.storage.format import Database, seal, timestamp_key, timestamp_of, unseal
from headwater.storage.transactions import ReadTransaction


class Event(NamedTuple):
    """What a commit did to one document.

    A tuple, because msgpack packs tuples without any Python code per event.

    Attributes:
        id: The document.
        previous_ts: Timestamp of the commit that changed it before; 0 if none did.
        creation_time: Milliseconds since the epoch; None when it is the one inside the id.
        body: The packed fields; None if the document was deleted.
    """

    id: str
    previous_ts: int
    creation_time: float | None
    body: bytes | None


as_event: Final[Callable[[tuple[Any, ...]], Event]] = partial(cast("Any", tuple).__new__, Event)
"""What ``Event(*facts)`` does, without its Python code: there is one for each document written."""
_IS_EVENT: Final = frozenset({len(Event._fields)})


Facts: TypeAlias = tuple[str, int, float | None, bytes | None]
"""The parts of an event. A plain tuple of such values costs Python's collector of garbage nothing,
which an `Event` does: with a hundred thousand of them it took half of the time."""

Version: TypeAlias = tuple[float | None, bytes | None]
"""Creation time and body of an event, likewise."""


class RecordedCall(NamedTuple):
    """All that a mutation depended on besides the database.

    Attributes:
        packed: Its arguments by parameter, packed.
        now_ms: Its time, ms since the epoch.
        seed: 64 bits that its ids and its randomness were made from.
        identity: Who called, packed; empty for nobody.
        is_guarded: Whether the rules of the tables held for it.
    """

    packed: bytes
    now_ms: float
    seed: int
    identity: bytes = b""
    is_guarded: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a commit came from.

    Attributes:
        function: Path of the function; empty for an explicit transaction.
        request_id: Chosen by the caller; finds the commit whose outcome a caller did not hear.
        identity: Who asked, as the application names them.
        details: Further facts, as values; names of this class are taken.
        call: What the function was called with, if it records that.
    """

    function: str = ""
    request_id: str = ""
    identity: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    call: RecordedCall | None = None

    @property
    def arguments(self) -> dict[str, Any] | None:
        """Arguments by parameter; None unless declared with ``record_arguments=True``."""
        return None if self.call is None else unpack(self.call.packed)


NO_ORIGIN: Final = Origin()


class Commit(NamedTuple):
    """One entry of the log.

    Attributes:
        ts: Nanoseconds since the epoch; above those of all earlier commits, below 2**63.
        previous_ts: That of the commit before it; 0 for the first.
        origin: Where it came from.
        events: What it did, in the order in which it did it; one per document.
    """

    ts: int
    previous_ts: int
    origin: Origin
    events: Sequence[Event]


def encode_commit(commit: Commit, *, compressed: bool = True) -> tuple[bytes, bytes]:
    """Return key and value for `Database.LOG`.

    Args:
        commit: What happened.
        compressed: Compress a large one; not for files of a format that does not know that.
    """
    assert 0 <= commit.previous_ts < commit.ts
    key = timestamp_key(commit.ts)
    origin = commit.origin
    facts: dict[str, Any] = dict(origin.details)
    if origin.function:
        facts["function"] = origin.function
    if origin.request_id:
        facts["request_id"] = origin.request_id
    if origin.identity is not None:
        facts["identity"] = origin.identity
    if origin.call is not None:
        facts["call"] = origin.call
    record = pack_record((commit.previous_ts, facts, commit.events))
    return key, seal(key, compress(record) if compressed else record)


def decode_commit(key: bytes, value: bytes) -> Commit:
    """Check a record of the log and take it apart; bodies stay packed.

    Raises:
        CorruptionError: Key or value are not what `encode_commit` made; names the timestamp.
    """
    ts = timestamp_of(key)
    record = _content(ts, key, value)
    try:
        previous_ts, facts, events = unpack_record(decompress(record))
        _check_events(events)
        return Commit(ts, previous_ts, _origin_of(facts), tuple(map(as_event, events)))
    except (ValueError, TypeError, AttributeError) as error:
        raise _not_of_this_format(ts, error) from error


def decode_facts(key: bytes, value: bytes) -> tuple[int, tuple[Facts, ...]]:
    """What a commit did, in its order, after the timestamp of the commit before it.

    As `decode_commit`, at half the cost: where events are many and few of them, or little else, is
    needed. `as_event` makes an event of each.

    Raises:
        CorruptionError: As for `decode_commit`.
    """
    ts = timestamp_of(key)
    record = _content(ts, key, value)
    try:
        previous_ts, _, events = unpack_record(decompress(record))
        _check_events(events)
    except (ValueError, TypeError) as error:
        raise _not_of_this_format(ts, error) from error
    return previous_ts, events


def decode_versions(key: bytes, value: bytes) -> tuple[int, dict[str, Version]]:
    """What a commit made of documents, by id, after the timestamp of the commit before it.

    Raises:
        CorruptionError: As for `decode_commit`.
    """
    previous_ts, events = decode_facts(key, value)
    return previous_ts, {event[0]: event[2:] for event in events}


def _content(ts: int, key: bytes, value: bytes) -> bytes:
    content = unseal(key, value)
    if content is None:
        raise CorruptionError(
            f"commit {ts}: its {len(value)} bytes do not match their checksum; verify the "
            "database to see what else is damaged, then restore a backup"
        )
    return content


def _check_events(found: tuple[tuple[Any, ...], ...]) -> None:
    if not _IS_EVENT.issuperset(map(len, found)):
        raise ValueError(f"an event has {len(Event._fields)} parts")


def _not_of_this_format(ts: int, error: Exception) -> CorruptionError:
    return CorruptionError(
        f"commit {ts}: the checksum is right, the record is not of this format: {error}; "
        "it was written by another program or another version"
    )


def _origin_of(facts: dict[str, Any]) -> Origin:
    if not facts:
        return NO_ORIGIN
    call = facts.pop("call", None)
    return Origin(
        function=facts.pop("function", ""),
        request_id=facts.pop("request_id", ""),
        identity=facts.pop("identity", None),
        details=facts,
        call=None if call is None else RecordedCall(*call),
    )


def head(transaction: ReadTransaction) -> int:
    """Timestamp of the newest commit that the transaction sees; 0 if there is none. O(log n)."""
    key = transaction.last_key(Database.LOG)
    return 0 if key is None else timestamp_of(key)


def read(transaction: ReadTransaction, ts: int) -> Commit | None:
    """The commit at exactly ``ts``; None if there is none. O(log n)."""
    key = timestamp_key(ts)
    value = transaction.get(Database.LOG, key)
    return None if value is None else decode_commit(key, value)


def after(transaction: ReadTransaction, ts: int, limit: int | None = None) -> Iterator[Commit]:
    """Commits later than ``ts``, oldest first, at most ``limit``. Reads as it is consumed."""
    low = timestamp_key(ts) + b"\x00"
    for key, value in islice(transaction.scan(Database.LOG, low, None), limit):
        yield decode_commit(key, value)


def before(transaction: ReadTransaction, ts: int, limit: int | None = None) -> Iterator[Commit]:
    """Commits earlier than ``ts``, newest first, at most ``limit``. Reads as it is consumed."""
    high = timestamp_key(ts)
    for key, value in islice(transaction.scan(Database.LOG, b"", high, reverse=True), limit):
        yield decode_commit(key, value)
