"""What strategies have to know besides a validator: ids, and how large a value may be."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NoReturn

from hypothesis import reject
from hypothesis import strategies as st
from hypothesis.errors import FailedHealthCheck
from hypothesis.strategies import SearchStrategy

from headwater.database import Database
from headwater.errors import UsageError
from headwater.schema.explain import NO_TABLES, TableNumbers
from headwater.testing.edges import LENGTHS
from headwater_indexes.ids import mint
from headwater_indexes.values import NESTING_DEFAULT

_ROOM: Final = 4000
_ROOM_SHARE: Final = 40
"""What is in a list or dict has this part of its room."""

_KNOWN_MAX: Final = 64
_CREATION_MAX_MS: Final = 2**47
_RANDOM_BITS: Final = 68
_ODDS: Final = 8
_TRIES: Final = 3
_PATIENCE: Final = 40
"""Examples; Hypothesis gives up at 50, in words that name nothing."""


@dataclass(frozen=True, slots=True)
class World:
    """What strategies have to know besides a validator.

    Attributes:
        ids: From the name of a table to a strategy for its ids.
        tables: How the tables are numbered.
        names: Of all tables.
        nesting: Levels of lists and dicts that a value may have.
        room: Length of the longest texts and lists.
    """

    ids: Callable[[str], SearchStrategy[str]]
    tables: TableNumbers = NO_TABLES
    names: Callable[[], Sequence[str]] = tuple
    nesting: int = NESTING_DEFAULT
    room: int = _ROOM

    def inner(self) -> "World":
        """Inside an object."""
        return replace(self, nesting=self.nesting - 1)

    def repeated(self) -> "World":
        """Inside a list or a dict of many."""
        return replace(self, nesting=self.nesting - 1, room=self.room // _ROOM_SHARE)

    def crowded(self) -> "World":
        """Inside a long list, where nothing is long: else a value would have a million parts."""
        return replace(self, nesting=self.nesting - 1, room=1)

    def lengths(self, least: int, most: int | None) -> list[int]:
        """Lengths worth trying of what may be so long: the bounds, and great ones."""
        top = self.room if most is None else most
        found = {least, *(length for length in LENGTHS if length <= self.room), top}
        return sorted(n for n in found if least <= n <= top and n <= max(self.room, least))


def world_of(
    db: Database | None, *, where: str, dangling_ids: bool = True, outer_levels: int = 0
) -> World:
    """The world of a database; without one, of values that hold no ids.

    Args:
        db: The database.
        where: Starts the message of an error, such as ``documents(Messages)``.
        dangling_ids: Whether an id may be that of no document.
        outer_levels: Dicts around the value that are not counted.
    """
    if db is None:
        return World(_no_ids(where), nesting=NESTING_DEFAULT + outer_levels)
    nesting = db.limits.nesting + outer_levels
    some = _ids_by_chance if dangling_ids else existing_ids
    return World(lambda table: some(table, db), table_numbers(db), db.tables, nesting)


def _no_ids(where: str) -> Callable[[str], SearchStrategy[str]]:
    def ids(table: str) -> SearchStrategy[str]:
        raise UsageError(
            f"{where}: draws ids of table {table!r}, which differ from database to database; "
            "give the database, as in documents(Messages, db)"
        )

    return ids


def table_numbers(db: Database) -> TableNumbers:
    """How a database numbers its tables; looked up when asked, for tables may come."""

    def rows() -> list[dict[str, Any]]:
        with db.snapshot() as snapshot:
            return snapshot.query("_tables").collect()

    def number_of(name: str) -> int | None:
        return next((row["number"] for row in rows() if row["name"] == name), None)

    def name_of(number: int) -> str | None:
        return next((row["name"] for row in rows() if row["number"] == number), None)

    return TableNumbers(number_of, name_of)


# Ids --------------------------------------------------------------------------------------------


@st.composite
def existing_ids(draw: st.DrawFn, table: str, db: Database) -> str:
    """Ids of documents that are there when one is drawn, of the oldest and the newest 64.

    An example is given up where there is none.
    """
    # Drawn first: where nothing is drawn, Hypothesis believes that it has seen everything.
    position = draw(st.integers(0, 2 * _KNOWN_MAX - 1))
    known = known_ids(table, db)
    if not known:
        reject()
    return known[position % len(known)]


def known_ids(table: str, db: Database) -> list[str]:
    """The oldest and the newest 64 documents of a table, in order of creation."""
    with db.snapshot() as snapshot:
        oldest = [row["_id"] for row in snapshot.query(table).take(_KNOWN_MAX)]
        newest = [row["_id"] for row in snapshot.query(table).order("desc").take(_KNOWN_MAX)]
    return list(dict.fromkeys(oldest + newest[::-1]))


@st.composite
def absent_ids(draw: st.DrawFn, table: str, db: Database) -> str:
    """Ids of a table with which the database has no document when one is drawn."""
    number = table_numbers(db).number_of(table)
    if number is None:
        raise UsageError(
            f"ids of table {table!r}: the database has no such table, it has "
            f"{', '.join(db.tables()) or 'none at all'}"
        )
    time = draw(st.integers(0, _CREATION_MAX_MS))
    identifier: Any = mint(number, time, draw(st.integers(0, 2**_RANDOM_BITS - 1)))
    if db.get(identifier) is not None:
        reject()
    return str(identifier)


@st.composite
def _ids_by_chance(draw: st.DrawFn, table: str, db: Database) -> str:
    """Ids of documents that exist, mostly; of none if there are none."""
    known = known_ids(table, db)
    if not known or draw(st.integers(1, _ODDS)) == _ODDS:
        return draw(absent_ids(table, db))
    return draw(st.sampled_from(known))


# Search -----------------------------------------------------------------------------------------


class NothingFoundError(UsageError, FailedHealthCheck):
    """A search has never found anything. Ends the run at once: there is no example to shrink."""


class Patience:
    """Ends a search that has never found anything, with words; Hypothesis itself has none."""

    def __init__(self, complaint: str) -> None:
        self._complaint = complaint
        self._lost = 0

    def found(self) -> None:
        """Note a success: from now on, losses are bad luck."""
        self._lost = -sys.maxsize

    def lost(self) -> NoReturn:
        """Give an example up.

        Raises:
            NothingFoundError: It was one too many, and none was ever any good.
        """
        self._lost += 1
        if self._lost >= _PATIENCE:
            raise NothingFoundError(self._complaint)
        reject()


# A strategy may be made anew for every example; what is being searched is known by its words.
_patience: Final = lru_cache(maxsize=256)(Patience)


@st.composite
def searched(
    draw: st.DrawFn,
    candidates: SearchStrategy[Any],
    accepts: Callable[[Any], bool],
    complaint: str,
) -> Any:
    """Those that are accepted, with words for it if there never are any."""
    patience = _patience(complaint)
    for _ in range(_TRIES):
        value = draw(candidates)
        if accepts(value):
            patience.found()
            return value
    return patience.lost()
