"""The log cut: what was before a commit, the horizon, becomes one state instead of a history.

At the horizon each document has one version, or none. Events up to there that made such a version
stay as they were, with their commits' timestamps and origins, so that the log still gives every
document byte for byte; all others go, and commits that have nothing left go with them. The commit
of the horizon itself always stays, so that the log has a head.

The horizon is noted before anything is removed: from then on nobody asks for what may be half
gone. Then the log is gone through in small steps, oldest commits first, each one storage
transaction in which the chain of commits is joined again. So at every moment the log is whole, and
a step knows from the note of the one before where to go on, in whichever process.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from struct import Struct
from typing import Final, NamedTuple, Protocol, TypeVar

from headwater.errors import CorruptionError
from headwater.storage import commit_log
from headwater.storage.commit_log import Commit, Event, decode_commit, encode_commit
from headwater.storage.environment import Environment
from headwater.storage.format import (
    TIMESTAMP,
    TIMESTAMP_MAX,
    Database,
    open_document,
    timestamp_key,
    timestamp_of,
)
from headwater.storage.transactions import ReadTransaction, WriteTransaction
from headwater.tables.catalog import CATALOG_NUMBERS
from headwater.tables.horizon import META_TRIMMED, horizon
from headwater.tables.progress import Progress, Report, reported
from headwater.tables.projection import META_CATALOG
from headwater.tables.reports import TrimReport
from headwater_indexes.ids import table_number_of

T = TypeVar("T")

META_TRIMMING: Final = b"trimming"
_PLACE: Final = Struct(">QQQ")

STEP_COMMITS: Final = 500
STEP_BYTES: Final = 2**18
"""What one step looks at, under the write lock: ten milliseconds of work, or one commit."""


class Write(Protocol):
    """Runs one storage transaction, when it is its turn."""

    def __call__(self, function: Callable[[WriteTransaction], T], /) -> T:
        """The function's result, once it is committed."""
        ...


class _Place(NamedTuple):
    """How far a trimming has come; noted in ``meta`` while it is not finished.

    Attributes:
        horizon: The commit up to which the log is being trimmed.
        looked_at: The last commit that was looked at.
        survivor: The last commit that stayed; the next one follows it.
    """

    horizon: int
    looked_at: int
    survivor: int


class _Step(NamedTuple):
    """What one step did, and where the next one begins: nowhere after the last one."""

    next: _Place | None
    looked_at: int = 0
    commits: int = 0
    versions: int = 0
    deleted: int = 0


def trim(
    environment: Environment, write: Write, before: int, *, progress: Report | None = None
) -> TrimReport:
    """Forget what was before the last commit that is older than ``before``.

    Goes on with a trimming that was not finished, also if there is nothing else to do.

    Args:
        environment: The files.
        write: Runs each step; others may write between two of them.
        before: Nanoseconds since the epoch.
        progress: Told about each step; may raise, which ends the trimming there.

    Raises:
        CorruptionError: The log and the documents disagree; nothing more was removed.
    """
    place = write(lambda writer: _begin(writer, before))
    steps: list[_Step] = []
    while place is not None:  # more than once only if another process moves the horizon on
        for step in _steps(environment, write, place.horizon, progress):
            steps.append(step)
            place = step.next
    with environment.read() as reader:
        reached = horizon(reader)
    return TrimReport(
        reached,
        sum(step.commits for step in steps),
        sum(step.versions for step in steps),
        sum(step.deleted for step in steps),
    )


def _steps(
    environment: Environment, write: Write, horizon_ts: int, progress: Report | None
) -> Iterator[_Step]:
    """All steps towards a horizon, unless another process moves it on."""
    trimming = Trimming(horizon_ts)
    with environment.read_for_long("db.trim_log()") as reader:
        trimming.look_ahead(reader, progress)
        total, done = trimming.count(reader), 0
    is_last = False
    while not is_last:
        step = write(trimming.step)
        yield step
        is_last = step.next is None or step.next.horizon != horizon_ts
        done += step.looked_at
        if progress is not None:
            progress(Progress("trimming the log", total if is_last else min(done, total), total))
        with environment.read_for_long("db.trim_log()") as reader:
            trimming.look_ahead(reader)


def _begin(writer: WriteTransaction, before: int) -> _Place | None:
    """Note the horizon; the place to begin at, None if there is nothing to do."""
    key = timestamp_key(min(max(before, 0), TIMESTAMP_MAX))
    found = next(writer.scan(Database.LOG, b"", key, reverse=True, expected=1), None)
    reached = 0 if found is None else timestamp_of(found[0])
    if reached <= horizon(writer):
        return _read_place(writer)
    place = _Place(reached, 0, 0)
    writer.put(Database.META, META_TRIMMED, TIMESTAMP.pack(reached))
    writer.put(Database.META, META_TRIMMING, _PLACE.pack(*place))
    return place


def _read_place(reader: ReadTransaction) -> _Place | None:
    stored = reader.get(Database.META, META_TRIMMING)
    if stored is None:
        return None
    if len(stored) != _PLACE.size:
        return _Place(horizon(reader), 0, 0)
    return _Place._make(_PLACE.unpack(stored))


class Trimming:
    """The steps towards one horizon.

    Memory: some hundred bytes for every document that was there at the horizon and has been changed
    since.
    """

    def __init__(self, horizon_ts: int) -> None:
        self.horizon: int = horizon_ts
        self._ahead_ts = horizon_ts
        self._ahead_count = 0
        self._continued: dict[str, int] = {}

    def look_ahead(self, reader: ReadTransaction, progress: Report | None = None) -> None:
        """Learn which version at the horizon later commits go on from. O(commits not yet seen)."""
        commits = commit_log.after(reader, self._ahead_ts)
        total = reader.count(Database.LOG) if progress else 0
        for commit in reported(commits, "reading what follows the horizon", total, progress):
            self._ahead_count += 1
            for event in commit.events:
                if 0 < event.previous_ts <= self.horizon:
                    self._continued[event.id] = event.previous_ts
            self._ahead_ts = commit.ts

    def count(self, reader: ReadTransaction) -> int:
        """Commits up to the horizon, among those that were looked at."""
        return max(reader.count(Database.LOG) - self._ahead_count, 0)

    def step(self, writer: WriteTransaction) -> _Step:
        """Look at the next commits and remove what can go."""
        place = _read_place(writer)
        if place is None or place.horizon != self.horizon:
            return _Step(place)  # another process has finished it, or trims further
        self.look_ahead(writer)
        commits = list(_next_commits(writer, place))
        last_ts = commits[-1].ts if commits else self.horizon
        following = list(commit_log.after(writer, last_ts, 1)) if last_ts < self.horizon else []
        _check_chain([*commits, *following], place)
        stroke = _Stroke(writer, self.horizon, self._continued)
        return stroke.run(commits, following, place.survivor)


class _Stroke:
    """One step, under the write lock."""

    def __init__(
        self, writer: WriteTransaction, horizon_ts: int, continued: dict[str, int]
    ) -> None:
        self._writer = writer
        self._horizon = horizon_ts
        self._continued = continued
        self._catalog_ts = writer.get(Database.META, META_CATALOG)
        self._versions: dict[str, int] = {}
        self._tombstones: dict[str, int] = {}
        self._changed: list[tuple[bytes, bytes]] = []
        self._removed: list[bytes] = []
        self._forgotten: list[bytes] = []
        self._dropped = 0

    def run(self, commits: list[Commit], following: list[Commit], survivor: int) -> _Step:
        """Trim some commits, and join the one that follows them to what has stayed."""
        self._load({event.id for commit in commits for event in commit.events})
        for commit in commits:
            survivor = self._trim(commit, survivor)
        for commit in following:
            self._join(commit, survivor)
        return self._write(_Place(self._horizon, commits[-1].ts, survivor), len(commits))

    def _load(self, ids: set[str]) -> None:
        """Where documents are now: the commit of their record, or of their tombstone."""
        keys = [id_text.encode("ascii") for id_text in sorted(ids)]
        records = self._writer.get_many(Database.DOCUMENTS, keys)
        stones = self._writer.get_many(Database.DELETED, keys)
        for key, record, stone in zip(keys, records, stones, strict=True):
            if record is not None:
                self._versions[key.decode("ascii")] = open_document(key, record)[0]
            elif stone is not None:
                self._tombstones[key.decode("ascii")] = int.from_bytes(stone, "big")

    def _trim(self, commit: Commit, survivor: int) -> int:
        """Keep what stays of a commit; returns the last commit that stayed."""
        events = [event for event in commit.events if self._stays(event, commit.ts)]
        self._dropped += len(commit.events) - len(events)
        if not events and commit.ts != self._horizon:
            self._removed.append(timestamp_key(commit.ts))
            return survivor
        if len(events) < len(commit.events):
            commit = commit._replace(previous_ts=survivor, events=events)
            self._note(commit)
        else:
            self._join(commit, survivor)
        return commit.ts

    def _join(self, commit: Commit, survivor: int) -> None:
        if commit.previous_ts != survivor:
            self._note(commit._replace(previous_ts=survivor))

    def _note(self, commit: Commit) -> None:
        self._changed.append(encode_commit(commit, compressed=self._writer.compresses))

    def _stays(self, event: Event, ts: int) -> bool:
        """Whether an event made its document's version at the horizon."""
        newest = self._continued.get(event.id) or self._newest(event.id)
        if newest is None or not ts <= newest <= self._horizon:
            raise _disagreement(event.id, ts, newest)
        if newest != ts or event.body is not None:
            return newest == ts
        if event.id in self._continued:
            return True  # it was deleted at the horizon, and a later commit brought it back
        if table_number_of(event.id) in CATALOG_NUMBERS and self._catalog_ts == TIMESTAMP.pack(ts):
            return True  # the last change of the catalog, whose timestamp is noted
        self._forgotten.append(event.id.encode("ascii"))
        return False

    def _newest(self, id_text: str) -> int | None:
        return self._versions.get(id_text) or self._tombstones.get(id_text)

    def _write(self, place: _Place, looked_at: int) -> _Step:
        writer = self._writer
        writer.delete_many(Database.LOG, self._removed)
        writer.delete_many(Database.DELETED, self._forgotten)
        if self._changed:
            writer.put_many(Database.LOG, self._changed)
        is_last = place.looked_at == self._horizon
        if is_last:
            writer.delete(Database.META, META_TRIMMING)
        else:
            writer.put(Database.META, META_TRIMMING, _PLACE.pack(*place))
        return _Step(
            None if is_last else place,
            looked_at,
            len(self._removed),
            self._dropped,
            len(self._forgotten),
        )


def _next_commits(reader: ReadTransaction, place: _Place) -> Iterator[Commit]:
    """What one step looks at."""
    low = timestamp_key(place.looked_at) + b"\x00"
    high = timestamp_key(place.horizon) + b"\x00"
    size = 0
    for key, value in islice(reader.scan(Database.LOG, low, high), STEP_COMMITS):
        yield decode_commit(key, value)
        size += len(value)
        if size >= STEP_BYTES:
            return


def _check_chain(commits: list[Commit], place: _Place) -> None:
    """Joining the chain over a gap would hide that commits are missing."""
    if not commits:
        raise CorruptionError(
            f"commit {place.horizon}, to which the log is being trimmed, is missing: db.verify() "
            "says more; restore a backup"
        )
    before_ts = place.survivor
    for commit in commits:
        if commit.previous_ts != before_ts:
            raise CorruptionError(
                f"commit {commit.ts} follows commit {commit.previous_ts}, and the log has "
                f"{before_ts or 'nothing'} before it: commits are missing. The log was not trimmed "
                "any further; restore a backup"
            )
        before_ts = commit.ts


def _disagreement(id_text: str, ts: int, newest: int | None) -> CorruptionError:
    found = "is not there" if newest is None else f"is of commit {newest}"
    return CorruptionError(
        f"{id_text}: the log has it changed by commit {ts}, and the document {found}. The log was "
        "not trimmed any further, as it may be needed to mend this: db.verify() says more, "
        "db.rebuild() makes documents and indexes anew"
    )
