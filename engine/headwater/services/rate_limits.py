"""Rate limits: how often something may happen, kept by the transaction in which it does."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Self, TypeAlias

from headwater.errors import ArgumentError, RateLimitedError
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.schema.tables import Document, Index, Table
from headwater.services.allowances import Allowance, Level
from headwater.services.declared_allowances import EPOCH, Numbers, declared_allowance
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter

RateLimitKey: TypeAlias = str | int | None
"""Whom or what a limit is for; None if there is only one."""

_FORGOTTEN_AT_ONCE: Final = 2
"""Levels without meaning that a new one removes: more than one, so that they do not pile up."""


class RateLimitLevel(Document["RateLimitLevel"]):
    """What is left of a rate limit for one key, in one shard; absent while it is full.

    A token has ``parts_per_token`` parts. Times are in milliseconds since the epoch.
    """

    name: str
    key: RateLimitKey
    shard: int
    parts: int
    parts_per_token: int
    at: int
    full_at: int


class RateLimits(Table[RateLimitLevel], name="_rate_limits", number=1010):
    """The levels of all rate limits that are not full."""

    by_key: ClassVar[Index] = Index("name", "key", "shard", unique=True)
    by_full_at: ClassVar[Index] = Index("full_at")


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """Whether something may happen; true if it may.

    Attributes:
        ok: Whether it may.
        retry_after_seconds: If not, the least time after which it may, if nobody else comes first.
            If so, when it may begin: 0, or later if it was reserved.
    """

    ok: bool
    retry_after_seconds: float

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How often something may happen; made by `token_bucket` or `fixed_window`.

    Its state is in the database, under its name: give two limits two names.

    Attributes:
        name: Its name.
        allowance: Its numbers.
    """

    name: str
    allowance: Allowance

    @classmethod
    def token_bucket(
        cls,
        name: str,
        *,
        rate: int,
        per_seconds: float,
        capacity: int | None = None,
        max_reserved: int = 0,
        shards: int = 1,
    ) -> Self:
        """Tokens come in evenly, and those that nobody takes are saved up.

        Args:
            name: Of the limit, and of nothing else.
            rate: Tokens that come in each period.
            per_seconds: The length of a period, in whole milliseconds.
            capacity: Tokens that can be saved up, which is what may happen at once; ``rate`` by
                default.
            max_reserved: Tokens that may be owed by those who ``reserve``.
            shards: In how many documents each key is kept. More of them let more transactions of
                several processes pass at once, and cut the capacity into as many parts.

        Raises:
            DeclarationError: The numbers do not make a limit.
        """
        numbers = Numbers(rate, per_seconds, capacity, max_reserved, shards)
        return cls(name, declared_allowance(name, numbers, None))

    @classmethod
    def fixed_window(  # noqa: PLR0913 - each is of its own, and given by name
        cls,
        name: str,
        *,
        rate: int,
        per_seconds: float,
        start: datetime | None = None,
        capacity: int | None = None,
        max_reserved: int = 0,
        shards: int = 1,
    ) -> Self:
        """Tokens come in all at once, when a window of time begins.

        Args:
            name: Of the limit, and of nothing else.
            rate: Tokens that come with each window.
            per_seconds: The length of a window, in whole milliseconds.
            start: An aware datetime at which some window begins, past or not; 1970 by default, so
                that windows of an hour begin with the hour, in UTC.
            capacity: Tokens that can be saved up; ``rate`` by default, which saves nothing.
            max_reserved: As for `token_bucket`.
            shards: As for `token_bucket`.

        Raises:
            DeclarationError: The numbers do not make a limit.
        """
        numbers = Numbers(rate, per_seconds, capacity, max_reserved, shards)
        return cls(name, declared_allowance(name, numbers, EPOCH if start is None else start))

    # -- verbs ----------------------------------------------------------------------------------

    def limit(
        self,
        ctx: MutationCtx,
        *,
        key: RateLimitKey = None,
        count: int = 1,
        reserve: bool = False,
        raise_if_exceeded: bool = False,
    ) -> RateLimitResult:
        """Take tokens if there are enough, as a part of the transaction: ``limit(ctx, key=user)``.

        If the transaction is not committed, they were not taken. O(log n); a refusal looks at every
        shard.

        Args:
            ctx: The context of the mutation.
            key: Whom the limit is for; each key has tokens of its own.
            count: Tokens to take.
            reserve: Take them although there are too few, and owe up to ``max_reserved``: the
                result says when what they are for may begin.
            raise_if_exceeded: Raise instead of saying no, so that the transaction is rolled back.

        Raises:
            RateLimitedError: There are too few, and ``raise_if_exceeded``.
            ArgumentError: More tokens than there can ever be.
        """
        taken = self.take(ServiceWriter.of(ctx.db), key=key, count=count, reserve=reserve)
        if raise_if_exceeded and not taken.ok:
            raise RateLimitedError(taken.retry_after_seconds, name=self.name, key=key, count=count)
        return taken

    def take(
        self,
        writer: ServiceWriter,
        *,
        key: RateLimitKey = None,
        count: int = 1,
        reserve: bool = False,
    ) -> RateLimitResult:
        """What `limit` does, for services."""
        cost, least = self._asked(count, reserve=reserve)
        now_ms = int(writer.transaction.moment.now_ms)
        shards = self._shards_in_turn(writer)
        levels: list[tuple[RateLimitLevel | None, int, Level]] = []
        while len(levels) < len(shards):
            # Two at random and the fuller one of them: as even as the fullest, at a glance.
            wanted = shards[:2] if not levels else shards[len(levels) :]
            found = [self._level(writer, key, shard, now_ms) for shard in wanted]
            levels += found
            stored, shard, level = max(found, key=lambda one: one[2].parts)
            if level.parts - cost >= least:
                left = Level(level.parts - cost, level.at_ms)
                self._store(writer, stored, key, shard, left, now_ms)
                return self._granted(left, now_ms)
        return self._refused([level for _, _, level in levels], cost + least, now_ms)

    def check(
        self, ctx: QueryCtx, *, key: RateLimitKey = None, count: int = 1, reserve: bool = False
    ) -> RateLimitResult:
        """What `limit` would say now; takes nothing. For queries and mutations.

        Raises:
            ArgumentError: More tokens than there can ever be.
        """
        cost, least = self._asked(count, reserve=reserve)
        now_ms = int(ctx.now)
        levels = self._levels(ctx, key, now_ms)
        fullest = max(levels, key=lambda level: level.parts)
        if fullest.parts - cost >= least:
            return self._granted(Level(fullest.parts - cost, fullest.at_ms), now_ms)
        return self._refused(levels, cost + least, now_ms)

    def value(self, ctx: QueryCtx, *, key: RateLimitKey = None) -> float:
        """The tokens that there are now, in all shards; below zero if some are owed."""
        levels = self._levels(ctx, key, int(ctx.now))
        return sum(level.parts for level in levels) / self.allowance.parts_per_token

    def reset(self, ctx: MutationCtx, *, key: RateLimitKey = None) -> None:
        """Give a key all its tokens back, and forgive what it owes."""
        self.forget(ServiceWriter.of(ctx.db), key=key)

    def forget(self, writer: ServiceWriter, *, key: RateLimitKey = None) -> None:
        """What `reset` does, for services."""
        for stored in self._stored(writer, key):
            writer.delete(stored["_id"])

    # -- inside ---------------------------------------------------------------------------------

    def _asked(self, count: int, *, reserve: bool) -> tuple[int, int]:
        """The parts that are asked for, and those that have to be left."""
        allowance = self.allowance
        if type(count) is not int or count < 1:
            raise ArgumentError(
                f"rate limit {self.name!r}: count={count!r}, expected a whole number of tokens, 1 "
                "or more"
            )
        if reserve and not allowance.max_reserved:
            raise ArgumentError(
                f"rate limit {self.name!r}: reserve=True, but nothing may be owed; declare it with "
                "max_reserved=..."
            )
        cost = count * allowance.parts_per_token
        least = allowance.floor if reserve else 0
        if cost > allowance.full - least:
            most = (allowance.full - least) // allowance.parts_per_token
            raise ArgumentError(
                f"rate limit {self.name!r}: count={count}, but no more than {most} can ever be "
                "taken at once; ask for fewer, or declare a larger capacity, fewer shards, or more "
                "that may be reserved"
            )
        return cost, least

    def _shards_in_turn(self, writer: ServiceWriter) -> list[int]:
        shards = list(range(self.allowance.shards))
        if len(shards) > 1:
            writer.transaction.random().shuffle(shards)
        return shards

    def _stored(self, reader: Reader, key: RateLimitKey) -> list[RateLimitLevel]:
        return reader.query(RateLimits).with_index(RateLimits.by_key, self.name, key).collect()

    def _levels(self, ctx: QueryCtx, key: RateLimitKey, now_ms: int) -> list[Level]:
        """The levels of all shards."""
        stored = {one["shard"]: one for one in self._stored(Reader(ctx.transaction), key)}
        return [self._level_of(stored.get(shard), now_ms) for shard in range(self.allowance.shards)]

    def _level(
        self, writer: ServiceWriter, key: RateLimitKey, shard: int, now_ms: int
    ) -> tuple[RateLimitLevel | None, int, Level]:
        query = writer.query(RateLimits)
        stored = query.with_index(RateLimits.by_key, self.name, key, shard).first()
        return stored, shard, self._level_of(stored, now_ms)

    def _level_of(self, stored: RateLimitLevel | None, now_ms: int) -> Level:
        if stored is None:
            return self.allowance.level(None, now_ms)
        # It may have been declared otherwise then.
        parts = stored["parts"] * self.allowance.parts_per_token // stored["parts_per_token"]
        return self.allowance.level(Level(parts, stored["at"]), now_ms)

    def _store(
        self,
        writer: ServiceWriter,
        stored: RateLimitLevel | None,
        key: RateLimitKey,
        shard: int,
        level: Level,
        now_ms: int,
    ) -> None:
        fields = {
            "name": self.name,
            "key": key,
            "shard": shard,
            "parts": level.parts,
            "parts_per_token": self.allowance.parts_per_token,
            "at": level.at_ms,
            "full_at": self.allowance.full_at_ms(level),
        }
        if stored is not None:
            writer.replace(stored["_id"], fields)
            return
        query = writer.query(RateLimits).with_index(RateLimits.by_full_at, lte=now_ms)
        for old in query.take(_FORGOTTEN_AT_ONCE):
            writer.delete(old["_id"])
        writer.insert(RateLimits, fields)

    def _granted(self, left: Level, now_ms: int) -> RateLimitResult:
        return RateLimitResult(
            ok=True, retry_after_seconds=self.allowance.wait_ms(left, 0, now_ms) / 1000
        )

    def _refused(self, levels: list[Level], parts: int, now_ms: int) -> RateLimitResult:
        waits = [self.allowance.wait_ms(level, parts, now_ms) for level in levels]
        return RateLimitResult(ok=False, retry_after_seconds=min(waits) / 1000)
