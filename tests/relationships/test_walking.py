"""Reads along references: who refers to a document, and what the documents of a query refer to.

Method: teams, people and memberships drawn at random, some of which name what is not there, read
in every way and compared with comprehensions over lists; read sets are compared with those of the
same reads one by one.
"""

import sys
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater as hw
from headwater import Document, Id, Index, QueryCtx, Table
from headwater.testing import database
from headwater.testing.database import ThrowAwayDatabase
from headwater_indexes.ids import mint


class Person(Document["Person"]):
    name: str
    hero: NotRequired[Id["Person"]]


class People(Table[Person]):
    pass


class Team(Document["Team"]):
    title: str
    captain: Annotated[Id[Person] | None, hw.references(on_delete="restrict")]


class Teams(Table[Team]):
    pass


class Membership(Document["Membership"]):
    person: Annotated[Id[Person], hw.references(on_delete="cascade")]
    team: Id[Team]  # not held, so that it may name what is not there
    rank: int


class Memberships(Table[Membership]):
    by_rank = Index("person", "rank")


class Duel(Document["Duel"]):
    winner: Annotated[Id[Person], hw.references(on_delete="cascade")]
    loser: Annotated[Id[Person], hw.references(on_delete="cascade")]


class Duels(Table[Duel]):
    pass


@hw.query
def titles(ctx: QueryCtx, person: Id[Person]) -> list[str]:
    return [team["title"] for team in teams_of(ctx.db, person)]


@hw.query
def first_titles(ctx: QueryCtx, person: Id[Person], count: int) -> list[str]:
    return [team["title"] for team in teams_of(ctx.db, person).take(count)]


@hw.query
def page(
    ctx: QueryCtx, person: Id[Person], options: hw.PaginationOptions
) -> hw.PaginationResult[Team]:
    return teams_of(ctx.db, person).paginate(options)


@hw.query
def ranks(ctx: QueryCtx, person: Id[Person]) -> list[int]:
    return [one["rank"] for one in ctx.db.referring(Memberships, person).order("desc")]


@hw.query
def heroes(ctx: QueryCtx, team: Id[Team]) -> list[str]:
    """From many to one, twice: from memberships to people, and to the heroes of these."""
    memberships = ctx.db.query(Memberships).filter(lambda one: one["team"] == team)
    people = memberships.follow(lambda one: one["person"])
    return [hero["name"] for hero in people.follow(lambda person: person.get("hero")).collect()]


def teams_of(db: hw.Reader, person: Id[Person]) -> hw.FollowedQuery[Team]:
    return db.referring(Memberships, person).follow(lambda membership: membership["team"])


@pytest.fixture
def db() -> Iterator[ThrowAwayDatabase]:
    with database(sys.modules[__name__]) as opened:
        yield opened


class Club:
    """A person, and teams of which some are gone, with memberships in the order of ranks."""

    def __init__(self, db: ThrowAwayDatabase, teams: list[bool], ranks: list[int]) -> None:
        self.db = db
        with db.transaction() as tx:
            self.person: Id[Person] = tx.insert(People, {"name": "Ada"})
            other = tx.insert(People, {"name": "Eva"})
            self.teams: list[Id[Team]] = []
            for number, _ in enumerate(teams):
                self.teams.append(tx.insert(Teams, {"title": f"{number}", "captain": None}))
            members: list[dict[str, Any]] = []
            for at, rank in enumerate(ranks):
                fields = {"team": self.teams[rank % len(teams)], "rank": rank}
                who = self.person if at % 4 else other
                tx.insert(Memberships, {"person": who, **fields})
                members += [fields] if who == self.person else []
        with db.transaction() as tx:
            for team, is_there in zip(self.teams, teams, strict=True):
                if not is_there:
                    tx.delete(team)
        members.sort(key=lambda fields: fields["rank"])
        self.ranks = [fields["rank"] for fields in members]
        self.named: list[Id[Team]] = [fields["team"] for fields in members]
        there = {team for team, is_there in zip(self.teams, teams, strict=True) if is_there}
        self.titles = [str(self.teams.index(team)) for team in self.named if team in there]


CLUBS = {
    "teams": st.lists(st.booleans(), min_size=1, max_size=5),
    "ranks": st.lists(st.integers(0, 9), max_size=12),
}


# What comes out ---------------------------------------------------------------------------------


@given(**CLUBS, size=st.integers(1, 5))
def test_through_a_join_table_all_ways_to_read_give_the_same(
    teams: list[bool], ranks: list[int], size: int
) -> None:
    with database(sys.modules[__name__]) as db:
        club = Club(db, teams, ranks)
        with db.snapshot() as s:
            query = teams_of(s, club.person)
            read = [team["title"] for team in query.collect()]
            assert read == club.titles
            assert [team["title"] for team in query] == read
            assert query.count() == len(read)
            assert query.take(size) == query.collect()[:size]
            assert query.first() == next(iter(query), None)
            odd = query.filter(lambda team: int(team["title"]) % 2)
            assert odd.collect() == [team for team in query.collect() if int(team["title"]) % 2]
            assert odd.take(size) == odd.collect()[:size]
        assert db.query(ranks_query, person=club.person) == club.ranks[::-1]


ranks_query = ranks


@given(**CLUBS, size=st.integers(1, 4))
def test_pages_put_together_are_all_of_it_and_full_up_to_the_last(
    teams: list[bool], ranks: list[int], size: int
) -> None:
    with database(sys.modules[__name__]) as db:
        club = Club(db, teams, ranks)
        found: list[list[str]] = []
        cursor, is_done = None, False
        while not is_done:
            options: hw.PaginationOptions = {"numItems": size, "cursor": cursor}
            one = db.query(page, person=club.person, options=options)
            found.append([team["title"] for team in one["page"]])
            cursor, is_done = one["continueCursor"], one["isDone"]
        assert list(chain.from_iterable(found)) == club.titles
        assert all(len(titles) == size for titles in found[:-1])


def test_references_are_followed_from_many_to_one_and_on(db: ThrowAwayDatabase) -> None:
    with db.transaction() as tx:
        ada = tx.insert(People, {"name": "Ada"})
        eva = tx.insert(People, {"name": "Eva", "hero": ada})
        team = tx.insert(Teams, {"title": "red", "captain": ada})
        for who in (ada, eva, eva):
            tx.insert(Memberships, {"person": who, "team": team, "rank": 1})
    assert db.query(heroes, team=team) == ["Ada", "Ada"]


def test_more_than_fits_into_a_chunk(db: ThrowAwayDatabase) -> None:
    with db.transaction() as tx:
        person = tx.insert(People, {"name": "Ada"})
        teams = tx.insert_many(
            Teams, [{"title": f"{number}", "captain": None} for number in range(2100)]
        )
        for number, team in enumerate(teams):
            tx.insert(Memberships, {"person": person, "team": team, "rank": number})
        for team in teams[::2]:
            tx.delete(team)
        assert teams_of(tx, person).count() == 1050
    with db.snapshot() as s:
        assert [team["title"] for team in teams_of(s, person).take(1040)][-1] == "2079"
        assert len(teams_of(s, person).collect()) == 1050


def test_a_transaction_sees_what_it_has_written(db: ThrowAwayDatabase) -> None:
    club = Club(db, [True, True], [0, 1, 2, 3])
    with db.transaction() as tx:
        new = tx.insert(Teams, {"title": "new", "captain": None})
        tx.insert(Memberships, {"person": club.person, "team": new, "rank": -1})
        tx.patch(club.teams[1], title="other")
        assert [team["title"] for team in teams_of(tx, club.person)] == [
            "new",
            "other",
            "0",
            "other",
        ]
        read: list[str] = []
        for team in teams_of(tx, club.person):
            read.append(team["title"])
            tx.patch(club.teams[1], title="changed")
        assert read == ["new", "changed", "0", "changed"]


def test_the_past_is_walked_as_it_was(db: ThrowAwayDatabase) -> None:
    club = Club(db, [True, True], [0, 1, 2, 3])
    ts = db.ts
    db.transact(lambda tx: tx.delete(club.person))
    assert db.query(titles, person=club.person) == []
    with db.snapshot(at=ts) as s:
        assert [team["title"] for team in teams_of(s, club.person)] == club.titles


# What they depend on ----------------------------------------------------------------------------


def dependencies(transaction: Any) -> set[Any]:
    return set(transaction.reads.intervals())


@given(**CLUBS, count=st.integers(0, 4), how=st.sampled_from(["take", "iterate", "collect"]))
def test_it_depends_on_what_it_looked_at_and_on_nothing_else(
    teams: list[bool], ranks: list[int], count: int, how: str
) -> None:
    with database(sys.modules[__name__]) as db:
        club = Club(db, teams, ranks)
        with db.snapshot() as s, db.snapshot() as other:
            query = teams_of(s, club.person)
            if how == "collect":
                query.collect()
            elif how == "take":
                query.take(count)
            else:
                for _ in zip(range(count), query, strict=False):
                    pass
            left = None if how == "collect" else count
            if left != 0:
                for membership in other.query(Memberships).with_index(
                    Memberships.by_rank, club.person
                ):
                    found = other.get(membership["team"])
                    left = left if left is None or found is None else left - 1
                    if left == 0:
                        break
            assert dependencies(s._transaction) == dependencies(other._transaction)


def test_a_live_query_follows_what_is_named_and_who_names_it(db: ThrowAwayDatabase) -> None:
    club = Club(db, [True, True, True], [0, 0, 1, 1])
    stranger = club.teams[2]
    with db.watch(titles, person=club.person) as live:
        results = iter(live)
        assert next(results) == ["0", "1", "1"]
        db.transact(lambda tx: tx.patch(stranger, title="unseen"))
        db.transact(lambda tx: tx.patch(club.teams[1], title="seen"))
        assert next(results) == ["0", "seen", "seen"]
        fields = {"person": club.person, "team": stranger, "rank": 5}
        db.transact(lambda tx: tx.insert(Memberships, fields))
        assert next(results) == ["0", "seen", "seen", "unseen"]
        db.transact(lambda tx: tx.delete(club.teams[1]))
        assert next(results) == ["0", "unseen"]


def test_a_write_conflicts_with_what_was_followed_and_not_with_what_was_not(
    db: ThrowAwayDatabase,
) -> None:
    club = Club(db, [True, True], [0, 0, 1])

    def first_then(write: Any) -> None:
        with db.transaction() as tx:
            assert [team["title"] for team in teams_of(tx, club.person).take(1)] == ["0"]
            db.transact(write)
            tx.insert(People, {"name": "new"})

    first_then(lambda tx: tx.patch(club.teams[1], title="1"))
    first_then(lambda tx: tx.delete(club.teams[1]))
    with pytest.raises(hw.ConflictError):
        first_then(lambda tx: tx.patch(club.teams[0], title="other"))


def test_a_live_page_keeps_its_end(db: ThrowAwayDatabase) -> None:
    club = Club(db, [True, True, True, True], [0, 0, 1, 2, 3])
    options: hw.PaginationOptions = {"numItems": 2, "cursor": None}
    with db.watch(page, person=club.person, options=options) as live:
        results = iter(live)
        first = next(results)
        assert [team["title"] for team in first["page"]] == ["0", "1"]
        db.transact(lambda tx: tx.delete(club.teams[0]))
        second = next(results)
        assert [team["title"] for team in second["page"]] == ["1"]
        assert second["continueCursor"] == first["continueCursor"]
    rest: hw.PaginationOptions = {"numItems": 5, "cursor": first["continueCursor"]}
    titles = [team["title"] for team in db.query(page, person=club.person, options=rest)["page"]]
    assert titles == ["2"]


# Mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "target", "by", "says"),
    [
        (
            Teams,
            "team",
            None,
            "'teams' have no reference to documents of 'teams'; they have 'captain' to 'people'",
        ),
        (
            Duels,
            "person",
            None,
            "to documents of 'people' by several fields: 'winner', 'loser'; say which",
        ),
        (
            Duels,
            "person",
            "judge",
            "no reference to documents of 'people' in a field 'judge'; they have 'winner' to",
        ),
        (People, "person", None, r"they have none\. Declare it"),
        ("duels", "person", None, "by several fields"),
    ],
)
def test_a_reference_that_is_not_clear_is_refused(
    db: ThrowAwayDatabase, table: Any, target: str, by: str | None, says: str
) -> None:
    club = Club(db, [True], [])
    id: Any = {"team": club.teams[0], "person": club.person}[target]
    with db.snapshot() as s, pytest.raises(hw.UsageError, match=says):
        s.referring(table, id, by=by)


def test_it_may_be_said_which_reference(db: ThrowAwayDatabase) -> None:
    with db.transaction() as tx:
        ada, eva = (tx.insert(People, {"name": name}) for name in ("Ada", "Eva"))
        won = tx.insert(Duels, {"winner": ada, "loser": eva})
        lost = tx.insert(Duels, {"winner": eva, "loser": ada})
        assert [one["_id"] for one in tx.referring(Duels, ada, by="winner")] == [won]
        assert [one["_id"] for one in tx.referring("duels", ada, by="loser")] == [lost]
        assert tx.referring("nothing_yet", ada).collect() == []


def test_what_is_no_id_is_refused(db: ThrowAwayDatabase) -> None:
    with db.snapshot() as s:
        for wrong in ("ada", "\xe4", None, 7, b"ada"):
            with pytest.raises(hw.InvalidIdError):
                s.referring(Memberships, wrong)  # type: ignore[arg-type]
        with pytest.raises(hw.UsageError, match="no reference to a document of no table here"):
            s.referring(Memberships, Id[Person](mint(99_999, 0, 0)))
        with pytest.raises(hw.UsageError, match=r"take\(-1\)"):
            s.query(Teams).follow(lambda team: team["captain"]).take(-1)
