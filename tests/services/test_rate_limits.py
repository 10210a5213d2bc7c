"""Rate limits in transactions: an exact model, rolled back tokens, shards, several threads."""

import threading
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services import limited
from tests.services.limited import LIMITS

import headwater as hw
from headwater import RateLimit, testing

KEYS = ["ada", "grace"]


@pytest.fixture
def db():
    with testing.database(limited) as database:
        yield database


@pytest.fixture(autouse=True)
def _no_limits():
    LIMITS.clear()


def declare(*limits: RateLimit) -> None:
    LIMITS.update({limit.name: limit for limit in limits})


@st.composite
def drawn_limits(draw):
    numbers = {
        "rate": draw(st.integers(1, 5)),
        "per_seconds": draw(st.sampled_from([0.007, 1, 2.5])),
        "capacity": draw(st.integers(3, 8)),
        "max_reserved": draw(st.integers(1, 6)),
        "shards": draw(st.integers(1, 3)),
    }
    if draw(st.booleans()):
        return RateLimit.token_bucket("drawn", **numbers)
    start = datetime(2024, 1, 1, tzinfo=UTC) if draw(st.booleans()) else None
    return RateLimit.fixed_window("drawn", start=start, **numbers)


class Model:
    """What is left for one key, all shards together, in fractions of tokens."""

    def __init__(self, limit: RateLimit, now_ms: int) -> None:
        self.allowance = limit.allowance
        self.at_ms = now_ms
        self.tokens = Fraction(self.allowance.capacity)

    def go_to(self, now_ms: int) -> None:
        start_ms, period_ms = self.allowance.start_ms, self.allowance.period_ms
        if start_ms is None:
            come = Fraction(self.allowance.rate * (now_ms - self.at_ms), period_ms)
        else:
            windows = [(ms - start_ms) // period_ms for ms in (self.at_ms, now_ms)]
            come = Fraction(self.allowance.rate * (windows[1] - windows[0]))
        self.at_ms = now_ms
        self.tokens = min(Fraction(self.allowance.capacity), self.tokens + come)


@settings(max_examples=60)
@given(drawn_limits(), st.data())
def test_a_limit_is_the_model_while_the_clock_moves(limit, data):
    declare(limit)
    with testing.database(limited) as db:
        models: dict[str, Model] = {}
        for _ in range(data.draw(st.integers(1, 12))):
            db.clock.advance(milliseconds=data.draw(st.integers(0, 3000)))
            key = data.draw(st.sampled_from(KEYS))
            count = data.draw(st.integers(1, limit.allowance.capacity // limit.allowance.shards))
            reserve = data.draw(st.booleans())
            before = db.query(limited.check, name="drawn", key=key, count=count, reserve=reserve)
            ok, wait, now_ms = db.mutate(
                limited.take, name="drawn", key=key, count=count, reserve=reserve
            )
            model = models.setdefault(key, Model(limit, now_ms))
            model.go_to(now_ms)
            least = -limit.allowance.max_reserved if reserve else 0
            assert before[0] == ok
            if limit.allowance.shards == 1:
                assert ok == (model.tokens - count >= least)
                assert before == [ok, wait]
            elif ok:
                # A debt is one shard's: another one may have tokens while the sum has none.
                assert model.tokens - count >= -limit.allowance.max_reserved
            if ok:
                model.tokens -= count
            elif data.draw(st.booleans()):
                waited(db, limit, key, count, reserve, wait)
                model.go_to(int(db.clock.now.timestamp() * 1000))
                model.tokens -= count
            if limit.allowance.shards == 1:
                assert db.query(limited.value, name="drawn", key=key) == pytest.approx(
                    float(model.tokens)
                )


def waited(db, limit, key, count, reserve, wait):
    """Waiting as long as one is told is what it takes, to the millisecond."""
    db.clock.advance(milliseconds=round(wait * 1000) - 1)
    early = db.query(limited.check, name="drawn", key=key, count=count, reserve=reserve)
    assert early == [False, 0.001]
    db.clock.advance(milliseconds=1)
    taken = db.mutate(limited.take, name="drawn", key=key, count=count, reserve=reserve)
    assert taken[0]


def test_what_was_reserved_may_begin_when_it_is_paid(db):
    declare(RateLimit.token_bucket("mail", rate=1, per_seconds=10, capacity=2, max_reserved=3))
    begins = [db.mutate(limited.take, name="mail", reserve=True)[:2] for _ in range(6)]
    assert begins == [[True, 0], [True, 0], [True, 10], [True, 20], [True, 30], [False, 10]]
    assert db.query(limited.value, name="mail") == -3
    assert db.mutate(limited.take, name="mail")[:2] == [False, 40]
    db.clock.advance(seconds=40)
    assert db.mutate(limited.take, name="mail")[0]


def test_a_mutation_that_is_rolled_back_gives_its_tokens_back(db):
    declare(RateLimit.fixed_window("send", rate=2, per_seconds=60))
    for _ in range(5):
        with pytest.raises(ValueError, match="afterwards"):
            db.mutate(limited.happen, name="send", key="ada", fail=True)
    assert db.query(limited.value, name="send", key="ada") == 2
    db.mutate(limited.happen, name="send", key="ada")
    db.mutate(limited.happen, name="send", key="ada")
    with pytest.raises(hw.RateLimitedError) as caught:
        db.mutate(limited.happen, name="send", key="ada")
    assert (caught.value.retry_after_seconds, caught.value.name, caught.value.key) == (
        60,
        "send",
        "ada",
    )
    assert db.query(limited.happenings) == 2


def test_a_sub_transaction_that_is_refused_is_rolled_back_alone(db):
    declare(RateLimit.fixed_window("send", rate=1, per_seconds=60))
    assert db.mutate(limited.try_and_go_on, name="send", key="ada")
    assert not db.mutate(limited.try_and_go_on, name="send", key="ada")
    assert db.query(limited.happenings) == 1


def test_keys_and_limits_do_not_know_each_other(db):
    declare(
        RateLimit.fixed_window("one", rate=1, per_seconds=60),
        RateLimit.fixed_window("other", rate=1, per_seconds=60),
    )
    for name in ("one", "other"):
        for key in (None, "ada", "grace"):
            assert db.mutate(limited.take, name=name, key=key)[0]
            assert not db.mutate(limited.take, name=name, key=key)[0]


def test_reset_gives_one_key_all_back(db):
    declare(RateLimit.token_bucket("send", rate=1, per_seconds=60, capacity=6, shards=3))
    for key in KEYS:
        for _ in range(6):
            assert db.mutate(limited.take, name="send", key=key)[0]
    db.mutate(limited.reset, name="send", key="ada")
    assert [db.query(limited.value, name="send", key=key) for key in KEYS] == [6, 0]


def test_a_shard_that_is_empty_sends_to_one_that_is_not(db):
    """Whoever asks for one token at a time gets all of them, whatever shards are drawn."""
    declare(RateLimit.token_bucket("busy", rate=1, per_seconds=3600, capacity=40, shards=8))
    taken = [db.mutate(limited.take, name="busy")[0] for _ in range(41)]
    assert taken == [True] * 40 + [False]


def test_levels_that_are_full_again_are_forgotten(db):
    declare(RateLimit.token_bucket("send", rate=1, per_seconds=1))
    for key in range(50):
        db.mutate(limited.take, name="send", key=str(key))
        db.clock.advance(seconds=1)
    assert len(db.query(limited.levels)) <= 2


def test_a_live_query_sees_what_is_left(db):
    declare(RateLimit.fixed_window("send", rate=3, per_seconds=60))
    with db.watch(limited.value, name="send", key="ada") as live:
        seen = iter(live)
        assert next(seen) == 3
        db.mutate(limited.take, name="send", key="ada", count=2)
        assert next(seen) == 1


def test_another_declaration_takes_over_what_is_left(db):
    declare(RateLimit.token_bucket("send", rate=1, per_seconds=60, capacity=10))
    db.mutate(limited.take, name="send", count=4)
    declare(RateLimit.token_bucket("send", rate=2, per_seconds=7, capacity=8))
    assert db.query(limited.value, name="send") == 6
    declare(RateLimit.fixed_window("send", rate=5, per_seconds=60))
    assert db.query(limited.value, name="send") == 5


def test_a_database_that_is_opened_again_remembers(tmp_path):
    declare(RateLimit.fixed_window("send", rate=1, per_seconds=3600))
    clock = testing.ManualClock()
    with hw.open(tmp_path / "db", modules=[limited], clock=clock) as db:
        assert db.mutate(limited.take, name="send")[0]
    with hw.open(tmp_path / "db", modules=[limited], clock=clock) as db:
        assert db.mutate(limited.take, name="send")[:2] == [False, 3600]


@pytest.mark.parametrize("shards", [1, 4])
def test_threads_together_get_what_there_is(shards):
    declare(RateLimit.token_bucket("busy", rate=1, per_seconds=3600, capacity=20, shards=shards))
    with testing.database(limited) as db:
        taken: list[bool] = []

        def work() -> None:
            taken.extend([db.mutate(limited.take, name="busy")[0] for _ in range(10)])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (taken.count(True), taken.count(False)) == (20, 20)


def test_a_refusal_is_false_and_what_is_allowed_true():
    assert hw.RateLimitResult(True, 0)
    assert not hw.RateLimitResult(False, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": 0}, "rate=0, expected a whole number, 1 or more"),
        (
            {"rate": 0.5},
            "rate=0.5, .* for a rate below 1, make the period longer",
        ),
        ({"per_seconds": 0}, "per_seconds=0, expected a whole number of milliseconds"),
        ({"per_seconds": 0.0015}, "per_seconds=0.0015, expected a whole number of milliseconds"),
        ({"per_seconds": "60"}, "per_seconds='60', expected a whole number of milliseconds"),
        ({"capacity": 0}, "capacity=0, expected a whole number, 1 or more"),
        ({"shards": 0}, "shards=0"),
        ({"shards": 6}, "6 shards share a capacity of 5, and none of them could ever give"),
        ({"max_reserved": -1}, "max_reserved=-1"),
        ({"rate": 10**16, "per_seconds": 10**6}, "more than can be counted exactly"),
    ],
)
def test_numbers_that_make_no_limit_are_refused(wrong, message):
    with pytest.raises(hw.DeclarationError, match=message):
        RateLimit.token_bucket("wrong", **({"rate": 5, "per_seconds": 60} | wrong))


def test_a_start_without_a_time_zone_is_refused():
    with pytest.raises(hw.DeclarationError, match="expected a datetime with a time zone"):
        RateLimit.fixed_window("w", rate=1, per_seconds=1, start=datetime(2024, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"count": 0}, "count=0, expected a whole number of tokens"),
        ({"count": 6}, "no more than 5 can ever be taken at once"),
        ({"reserve": True}, "nothing may be owed; declare it with max_reserved"),
    ],
)
def test_what_can_never_be_granted_is_an_error(db, asked, message):
    declare(RateLimit.token_bucket("send", rate=5, per_seconds=60))
    for function in (lambda: db.mutate(limited.take, name="send", **asked),):
        with pytest.raises(hw.ArgumentError, match=message):
            function()
    with pytest.raises(hw.ArgumentError, match=message):
        db.query(limited.check, name="send", **asked)


def test_a_query_that_limits_is_told_so(db):
    declare(RateLimit.token_bucket("send", rate=5, per_seconds=60))

    @hw.query
    def wrong(ctx: hw.QueryCtx) -> bool:
        return bool(LIMITS["send"].limit(ctx))

    with pytest.raises(hw.WriteInQueryError):
        db.query(wrong)
