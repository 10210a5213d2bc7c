"""Goal: progress changes nothing, goes forward only and ends at its end."""

from hypothesis import example, given
from hypothesis import strategies as st

from headwater.tables.progress import Progress, reported


@given(st.integers(0, 5000), st.integers(0, 5000))
@example(2000, 2000)
@example(2500, 1200)
def test_reports_go_forward_to_the_total(size: int, total: int) -> None:
    seen: list[Progress] = []
    assert list(reported(range(size), "step", total, seen.append)) == list(range(size))
    done = [report.done for report in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, total)
    assert len(done) == 2 + size // 1000
    assert {(report.step, report.total) for report in seen} == {("step", total)}


@given(st.lists(st.integers()))
def test_without_a_listener_the_items_pass_unchanged(items: list[int]) -> None:
    assert list(reported(items, "step", 0, None)) == items
