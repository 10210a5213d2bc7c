"""Undo and restore against dicts: every commit may be taken back, and every document.

Goal: documents go back to exactly what they were, by a commit like any other, or nothing changes.
Method: the model of the whole database, with foreign ids, that also keeps its every state.
"""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from tests.laws.model import Fields, holder_of
from tests.laws.test_foreign_ids import ForeignMachine

import headwater as hw
from headwater.storage.codec import pack

Version = tuple[Fields, float] | None


class UndoMachine(ForeignMachine):
    """The same, and commits are undone and documents restored."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[int, dict[str, Version]] = {0: {}}
        self.events: dict[int, list[str]] = {}
        self.changes: dict[str, list[int]] = {}

    def committed(self, documents: dict[str, Fields]) -> list[str]:
        made = super().committed(documents)
        if made:
            ts = self.db.ts
            assert ts not in self.states
            self.states[ts] = {id: (documents[id], self.times[id]) for id in documents}
            self.events[ts] = made
            for id_text in made:
                self.changes.setdefault(id_text, []).append(ts)
        return made

    def take_back(self, wanted: dict[str, Version], run: Any) -> None:
        """Do what lets documents go back, and compare what happened."""
        now = self.state_at(self.db.ts)
        written = {i: version for i, version in wanted.items() if not same(version, now.get(i))}
        documents = dict(self.documents)
        for id_text, version in written.items():
            documents.pop(id_text, None)
            if version is not None:
                documents[id_text] = version[0]
        kept = [i for i in written if i in documents]
        if any(holder_of(documents, i, documents[i]) is not None for i in kept):
            with pytest.raises(hw.UniqueViolationError):
                run()
            assert self.state_at(self.db.ts) is now
            return
        assert run() == (self.db.ts if written else 0)
        for id_text in written:
            self.touched.add(id_text)
            version = wanted[id_text]
            if version is not None:
                self.times[id_text] = version[1]
        self.committed(documents)

    def state_at(self, ts: int) -> dict[str, Version]:
        return self.states[max(at for at in self.states if at <= ts)]

    @precondition(lambda self: self.events)
    @rule(number=st.integers(0, 999), override=st.booleans())
    def undo(self, number: int, override: bool) -> None:
        """Any commit, the newest one more often than others."""
        commits = sorted(self.events, reverse=True)
        ts = commits[max(0, number % (3 * len(commits)) - 2 * len(commits))]
        if self.db.log.read(ts - 1, limit=1)[0].origin.function == "_import":
            with pytest.raises(hw.UsageError, match="changed tables or indexes"):
                self.db.undo(ts, override=override)
            return
        now, left = self.state_at(self.db.ts), self.states[ts]
        before = self.state_at(ts - 1)
        changed = [
            i
            for i in self.events[ts]
            if not same(now.get(i), left.get(i)) and not same(now.get(i), before.get(i))
        ]
        if changed and not override:
            head = self.db.ts
            with pytest.raises(hw.UndoConflictError) as refused:
                self.db.undo(ts)
            assert refused.value.ts == ts
            later = {i: [at for at in self.changes[i] if at > ts] for i in changed}
            assert refused.value.later == {i: tuple(later[i][::-1][:10]) for i in changed}
            assert self.db.ts == head
            return
        wanted = {id_text: before.get(id_text) for id_text in self.events[ts]}
        self.take_back(wanted, lambda: self.db.undo(ts, override=override))

    @precondition(lambda self: self.changes)
    @rule(number=st.integers(0, 999), back=st.integers(0, 5), override=st.booleans())
    def restore(self, number: int, back: int, override: bool) -> None:
        """Any document, as it was after one of the newest commits."""
        id_text: Any = sorted(self.changes)[number % len(self.changes)]
        states = sorted(self.states, reverse=True)
        ts = states[back % len(states)]
        later = [at for at in self.changes[id_text] if at > ts]
        now = self.state_at(self.db.ts).get(id_text)
        if len(later) > 1 and not override and not same(now, self.states[ts].get(id_text)):
            head = self.db.ts
            with pytest.raises(hw.UndoConflictError) as refused:
                self.db.restore(id_text, ts)
            assert refused.value.later == {id_text: tuple(later[::-1][:10])}
            assert self.db.ts == head
            return
        wanted = {id_text: self.states[ts].get(id_text)}
        self.take_back(wanted, lambda: self.db.restore(id_text, ts, override=override))

    @precondition(lambda self: self.events)
    @rule()
    def undo_twice(self) -> None:
        """The newest commit, undone and done again."""
        ts = self.db.ts
        if ts not in self.events or self.db.log.read(ts - 1)[0].origin.function == "_import":
            return
        state = self.state_at(ts)
        wanted = {id_text: self.state_at(ts - 1).get(id_text) for id_text in self.events[ts]}
        self.take_back(wanted, lambda: self.db.undo(ts))
        undone = self.db.ts
        if undone != ts:
            again = {id_text: state.get(id_text) for id_text in self.events[undone]}
            self.take_back(again, lambda: self.db.undo(undone))
            assert self.state_at(self.db.ts).keys() == state.keys()


def same(one: Version, other: Version) -> bool:
    if one is None or other is None:
        return one is other
    return pack(one[0]) == pack(other[0]) and one[1] == other[1]


TestUndo = UndoMachine.TestCase
TestUndo.settings = settings(
    max_examples=max(10, settings().max_examples // 3), stateful_step_count=20
)
