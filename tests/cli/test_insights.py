"""``headwater insights``: what the log says of the load."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.calling import refused, shown

import headwater as hw
from headwater import testing
from headwater.cli.insights import activity_of


def facts(*arguments):
    return json.loads(shown("insights", *arguments, "--json"))


def test_who_writes_and_what_is_hot(tmp_path):
    path = tmp_path / "hot.hw"
    with hw.open(path) as db:
        counter = db.transact(lambda tx: tx.insert("counters", {"n": 0}))
        for n in range(5):
            db.transact(lambda tx, n=n: tx.patch(counter, n=n + 1))
        db.transact(lambda tx: [tx.insert("notes", {}) for _ in range(3)])
    found = facts(path)
    assert found["commits"] == 7
    assert found["functions"][0]["commits"] == 7
    assert found["functions"][0]["largest"] == 3
    assert found["documents"] == [{"table": "counters", "id": counter, "commits": 6}]
    output = shown("insights", path)
    assert output.startswith("7 commits")
    assert counter in output
    assert facts(path, "--since", "2200-01-01")["commits"] == 0
    assert len(facts(path, "--top", "1")["functions"]) == 1
    assert "there is no database" in refused("insights", tmp_path / "none.hw")


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), unique=True, min_size=1, max_size=4), max_size=12))
def test_each_commit_counts_once_for_each_document_that_it_changed(commits):
    with testing.database() as db:
        ids = db.transact(lambda tx: [tx.insert("counters", {"n": 0}) for _ in range(5)])
        begin = db.log.read()[-1].ts
        for n, changed in enumerate(commits, 1):
            db.transact(lambda tx, n=n, changed=changed: [tx.patch(ids[i], n=n) for i in changed])
        found = activity_of(db.log.read(begin), top=5)
    expected = Counter(ids[i] for changed in commits for i in changed)
    assert found.commits == len(commits)
    assert sum(one.changes for one in found.functions) == expected.total()
    assert {one.id: one.commits for one in found.documents} == {
        id: count for id, count in expected.items() if count > 1
    }
