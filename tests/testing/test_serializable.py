"""What no serial order explains is found, and is explained."""

import pytest

from headwater.testing import (
    DocumentRead,
    History,
    RecordedTransaction,
    check_serializable,
)


def read(id, ts, last_ts=None, **how):
    return DocumentRead(id=id, ts=ts, last_ts=ts if last_ts is None else last_ts, **how)


def ran(name, ts, reads=(), writes=(), began=None, ended=None):
    return RecordedTransaction(
        name=name, ts=ts, reads=reads, writes=writes, began=began, ended=ended
    )


START = ran("start", 1, writes=["x", "y"])


def kinds(*transactions):
    return [anomaly.kind for anomaly in check_serializable(History(transactions)).anomalies]


def test_one_after_the_other_is_serializable() -> None:
    first = ran("a", 2, [read("x", 1)], ["x"])
    second = ran("b", 3, [read("x", 2), read("y", 1)], ["y"])
    assert check_serializable(History([second, START, first]))
    assert str(check_serializable(History([START, first]))) == "serializable: 2 transactions"
    assert check_serializable(History([]))


ANOMALIES = {
    "lost update": [
        ran("a", 2, [read("x", 1)], ["x"]),
        ran("b", 3, [read("x", 1)], ["x"]),
    ],
    "write skew": [
        ran("a", 2, [read("x", 1), read("y", 1)], ["x"]),
        ran("b", 3, [read("x", 1), read("y", 1)], ["y"]),
    ],
    "fractured read": [
        ran("a", 2, writes=["x", "y"]),
        ran("b", 2, [read("x", 2), read("y", 1)]),
    ],
    "circular writes": [
        ran("a", 2, [read("y", 3)], ["x"]),
        ran("b", 3, [read("x", 2)], ["y"]),
    ],
    "phantom": [
        ran("a", 2, [read("v", 0, through="t", is_absent=True)], ["u"]),
        ran("b", 3, [read("u", 0, through="t", is_absent=True)], ["v"]),
    ],
    "dirty read": [ran("a", 2, [read("x", -1)])],
    "read-only anomaly": [
        ran("a", 3, [read("x", 1), read("y", 1)], ["x"]),
        ran("b", 2, [read("y", 1)], ["y"]),
        ran("c", 2, [read("x", 1), read("y", 2)]),
    ],
}


@pytest.mark.parametrize("kind", ANOMALIES)
def test_an_anomaly_is_found_and_called_by_its_name(kind) -> None:
    assert kinds(START, *ANOMALIES[kind]) == [kind]


def test_a_cycle_of_three_with_one_missed_version_is_found() -> None:
    assert kinds(
        START,
        ran("a", 2, [read("x", 1), read("z", 4)], ["u"]),
        ran("b", 3, writes=["x"]),
        ran("c", 4, [read("x", 3)], ["z"]),
    ) == ["read skew"]


def test_what_moves_outside_of_a_range_is_no_dependency() -> None:
    outside = read("x", 1, 3, through="t.by_group", is_absent=True)
    reader = ran("a", 4, [outside, read("y", 1)], ["z"])
    mover = ran("b", 2, [], ["x"])
    again = ran("c", 3, [read("y", 1)], ["x", "w"])
    assert check_serializable(History([START, reader, mover, again]))
    comes_in = ran("d", 5, [read("z", 0, is_absent=True)], ["x"])
    assert kinds(START, reader, mover, again, comes_in) == ["phantom"]


def test_who_began_after_a_commit_has_to_see_it() -> None:
    writer = ran("a", 2, [], ["x"], began=1, ended=2)
    assert kinds(START, writer, ran("b", 1, [read("x", 1)], began=3, ended=4)) == ["stale read"]
    assert kinds(START, writer, ran("b", 1, [read("x", 1)], began=2, ended=4)) == []
    assert kinds(START, writer, ran("b", 1, [read("x", 1)])) == []


def test_two_moments_may_lie_between() -> None:
    verdict = check_serializable(
        History(
            [
                START,
                ran("a", 2, [], ["x"], began=1, ended=2),
                ran("b", 3, [], ["z"], began=3, ended=4),
                ran("c", 1, [read("x", 1)], began=5, ended=6),
            ]
        )
    )
    assert [set(anomaly.transactions) for anomaly in verdict.anomalies] == [{"a", "c"}]


def test_commits_are_in_the_order_of_their_timestamps() -> None:
    early = ran("a", 2, [read("x", 3)], ["z"])
    late = ran("b", 3, [], ["x"])
    assert kinds(START, early, late) == ["out of order"]


def test_a_version_that_nobody_wrote_is_a_dirty_read() -> None:
    assert kinds(START, ran("a", 2, [read("x", 7)])) == ["dirty read"]


def test_each_group_of_contradicting_transactions_is_told_once() -> None:
    other = [
        ran("c", 5, [read("u", 0)], ["u"]),
        ran("d", 6, [read("u", 0)], ["u"]),
        ran("e", 7, [read("u", 0)], ["u"]),
    ]
    found = kinds(START, *ANOMALIES["write skew"], *other)
    assert sorted(found) == ["lost update", "write skew"]


def test_the_explanation_says_who_read_and_wrote_what() -> None:
    history = History([START, *ANOMALIES["lost update"]], {"x": "accounts"})
    assert str(check_serializable(history)) == (
        "lost update: no order of these transactions explains what they saw\n"
        "  a, commit 2\n"
        "    read accounts/x, as start had left it in commit 1\n"
        "    wrote accounts/x\n"
        "  b, commit 3\n"
        "    read accounts/x, as start had left it in commit 1\n"
        "    wrote accounts/x\n"
        "  b wrote accounts/x after a had written it: so a comes before b\n"
        "  b read accounts/x as it was before a wrote it: so b comes before a"
    )


def test_the_explanation_of_a_phantom_names_the_range() -> None:
    text = str(check_serializable(History(ANOMALIES["phantom"])))
    assert "did not find v through t, which had never been there" in text
    assert "a did not see v in its range, into which b brought it: so a comes before b" in text


def test_a_long_history_does_not_take_long() -> None:
    transactions = [
        ran(f"t{ts}", ts, [read("x", ts - 1)], ["x"], began=ts, ended=ts + 0.5)
        for ts in range(1, 3000)
    ]
    assert check_serializable(History(transactions))
    transactions[-1] = ran("last", 2999, [read("x", 1)], ["x"], began=0, ended=3000)
    (anomaly,) = check_serializable(History(transactions)).anomalies
    assert anomaly.kind == "lost update"
    assert set(anomaly.transactions) == {"t2", "last"}


def test_merging_prefers_who_recorded_a_commit() -> None:
    seen = ran("a", 2, [read("x", 1)], ["x"], began=1, ended=2)
    found = ran("commit 2", 2, [], ["x"])
    reader = ran("b", 2, [read("x", 2)], began=3, ended=4)
    for histories in ([[seen, START], [found, reader]], [[found, reader], [seen, START]]):
        merged = History.merged([History(transactions) for transactions in histories])
        assert {t.name for t in merged.transactions} == {"a", "start", "b"}
