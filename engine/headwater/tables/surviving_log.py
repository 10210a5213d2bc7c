"""Which commits of a damaged log count, which are lost, and what is left of the lost ones."""

from collections.abc import Iterable
from typing import Final

from headwater.storage.commit_log import Commit, Event, Origin
from headwater.storage.format import TIMESTAMP
from headwater.storage.pages import Place
from headwater.storage.salvage import Found, Salvage
from headwater.tables.horizon import META_TRIMMED
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_time_of

REPAIR_ORIGIN: Final = Origin(function="_repair")
"""Stands in commits of which only the documents were found that they had written."""

_BELIEVABLE_NS: Final = 86_400 * 10**9
"""How long after the newest commit that is known there may have been others: a day."""


class SurvivingLog:
    """The commits of a log, as far as they can be told.

    The tree of the log counts. What it lacks is known by who refers to it: the next commit, a
    document, a tombstone, or the note of the newest commit at the last close (``newest_ts``). A
    stray commit counts if one that counts follows it. Where a commit is lost, nothing says which
    one it followed; then the newest stray one before it is taken, which may, if the disk had failed
    before, be one whose caller was told that it did not happen.

    Attributes:
        places: Where the commits are, by timestamp.
        lost: Timestamps of commits that are known to have happened and cannot be read.
        horizon: Timestamp of the commit to which the log was trimmed, 0 if it was not.
    """

    def __init__(self, salvage: Salvage, *, newest_ts: int = 0) -> None:
        self._salvage = salvage
        self.places: dict[int, Place] = dict(salvage.commits)
        self.lost: set[int] = set()
        self.horizon: int = _horizon(salvage)
        self._add_older_state()
        self._follow(self._mentioned() | {newest_ts})
        if self.lost or salvage.is_log_damaged:
            self._search()

    def commits(self) -> Iterable[Commit]:
        """The commits in order, with what is left of the lost ones."""
        remains = self._remains()
        for ts in sorted(self.places.keys() | remains.keys()):
            place = self.places.get(ts)
            commit = None if place is None else self._salvage.commit(place)
            if commit is not None:
                yield commit
            else:
                yield Commit(ts, 0, REPAIR_ORIGIN, tuple(remains.get(ts, {}).values()))

    def _add_older_state(self) -> None:
        """Take what the log had one transaction ago, except what may have been trimmed since."""
        if self._salvage.is_log_damaged:
            for ts, place in self._salvage.older_commits.items():
                if ts > self.horizon:
                    self.places.setdefault(ts, place)

    def _mentioned(self) -> set[int]:
        """Every timestamp that says that there was a commit."""
        salvage = self._salvage
        mentioned = salvage.unsound | {found.ts for found in salvage.documents.values()}
        for place in self.places.values():
            commit = salvage.commit(place)
            if commit is not None:
                mentioned.add(commit.previous_ts)
        if salvage.is_log_damaged:
            # Tombstones have no checksum, so they count only where commits are missing anyway.
            latest = max([0, *mentioned, *self.places]) + _BELIEVABLE_NS
            deleting = salvage.tombstones.values()
            mentioned.update(ts for ts in deleting if self.horizon < ts < latest)
        return mentioned

    def _follow(self, mentioned: set[int]) -> None:
        """Take the stray commits that were mentioned, and those before them."""
        waiting = mentioned - self.places.keys() - {0}
        while waiting:
            ts = waiting.pop()
            copies = self._salvage.stray_commits.get(ts, [])
            candidates = [
                (len(commit.events), place, commit)
                for place in copies
                if (commit := self._salvage.commit(place))
            ]
            if not candidates:
                self.lost.add(ts)
                continue
            self.lost.discard(ts)
            # Copies differ where a trimming took events away, or the commit before it.
            _, self.places[ts], commit = min(candidates, key=_age)
            if commit.previous_ts not in self.places and commit.previous_ts:
                waiting.add(commit.previous_ts)

    def _search(self) -> None:
        """Look for what is lost on all pages, gap by gap."""
        self._salvage.search()
        strays = self._salvage.stray_commits
        self._follow(set(self.lost))
        if self._salvage.is_log_damaged and strays:
            newest = max(strays)
            if newest > max(self.places, default=0):
                self._follow({newest})
        for ts in sorted(self.lost, reverse=True):
            below = max((known for known in self.places if known < ts), default=0)
            between = [stray for stray in strays if max(below, self.horizon) < stray < ts]
            if between:
                self._follow({max(between)})

    def _remains(self) -> dict[int, dict[str, Event]]:
        """What documents and tombstones tell of lost commits, by timestamp and id."""
        salvage = self._salvage
        remains: dict[int, dict[str, Event]] = {}
        for id_text, found in self._versions():
            if found.ts in self.lost and (event := self._event(id_text, found)):
                remains.setdefault(found.ts, {})[id_text] = event
        for id_text, ts in salvage.tombstones.items():
            if ts in self.lost and id_text not in salvage.documents:
                remains.setdefault(ts, {}).setdefault(id_text, Event(id_text, 0, None, None))
        if self.horizon and self.horizon not in self.places:
            remains.setdefault(self.horizon, {})
        return remains

    def _versions(self) -> Iterable[tuple[str, Found]]:
        yield from self._salvage.documents.items()
        for id_text, versions in self._salvage.stray_documents.items():
            yield from ((id_text, found) for found in versions)

    def _event(self, id_text: str, found: Found) -> Event | None:
        created, body = self._salvage.document(found)
        try:
            is_native = created == creation_time_of(id_text)
        except MalformedIdError:
            return None
        return Event(id_text, 0, None if is_native else created, body)


def _age(candidate: tuple[int, Place, Commit]) -> tuple[int, int]:
    """What is least in the newest copy of a commit."""
    return candidate[0], candidate[2].previous_ts


def _horizon(salvage: Salvage) -> int:
    """The noted horizon, unless no commit is as old: it has no checksum."""
    noted = int.from_bytes(salvage.meta.get(META_TRIMMED, b"")[: TIMESTAMP.size], "big")
    newest = max([0, *salvage.commits, *(found.ts for found in salvage.documents.values())])
    return noted if noted <= newest else 0
