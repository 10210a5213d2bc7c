"""The engines by name: those that are always there, and those whose package may be missing."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NamedTuple

from bench.adapters.contract import Engine
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.adapters.live_contract import LiveEngine
from bench.adapters.live_headwater import LiveHeadwater
from bench.adapters.live_pglite import LivePglite
from bench.adapters.lmdb_by_hand import LmdbByHand
from bench.adapters.sqlite_columns import SqliteColumns
from bench.adapters.sqlite_committer import SqliteJsonCommitter
from bench.adapters.sqlite_generated import SqliteGenerated
from bench.adapters.sqlite_json import SqliteJson

ENGINES: Final[dict[str, type[Engine]]] = {
    engine.name: engine
    for engine in (
        HeadwaterEmbedded,
        SqliteJson,
        SqliteGenerated,
        SqliteColumns,
        SqliteJsonCommitter,
        LmdbByHand,
    )
}
BASELINE: Final = SqliteJson.name


class Optional(NamedTuple):
    """An engine that needs a package of its own.

    Attributes:
        place: "module:class".
        package: What it imports.
    """

    place: str
    package: str


OPTIONAL: Final[dict[str, Optional]] = {
    "sqlite-json-orjson": Optional("sqlite_orjson:SqliteJsonOrjson", "orjson"),
    "sqlite-generated-orjson": Optional("sqlite_orjson:SqliteGeneratedOrjson", "orjson"),
    "sqlite-columns-orjson": Optional("sqlite_orjson:SqliteColumnsOrjson", "orjson"),
    "zodb": Optional("zodb:Zodb", "ZODB"),
    "eventsourcing": Optional("eventsourcing_sqlite:EventsourcingSqlite", "eventsourcing"),
    "tinydb": Optional("tinydb_json:TinydbJson", "tinydb"),
}

SQLITE: Final = (
    "sqlite-json",
    "sqlite-generated",
    "sqlite-columns",
    "sqlite-json-orjson",
    "sqlite-generated-orjson",
    "sqlite-columns-orjson",
)
"""SQLite in all the ways in which one uses it; not behind a committer thread, which few have."""

LIVE_ONLY: Final = (LivePglite.name,)
"""Engines that take part in nothing but the live queries."""

NAMES: Final = (*ENGINES, *OPTIONAL, *LIVE_ONLY)


class Cast(NamedTuple):
    """Who takes part.

    Attributes:
        engines: By name, in the order of the tables.
        live_engines: Those of the live queries.
        missing: A line for each that cannot take part: its name, and what to do.
    """

    engines: dict[str, type[Engine]]
    live_engines: dict[str, type[LiveEngine]]
    missing: list[str]


def cast_of(names: Sequence[str]) -> Cast:
    """The engines of these names, as far as what they need is installed."""
    engines: dict[str, type[Engine]] = {}
    missing: list[str] = []
    for name in (name for name in NAMES if name in names):
        if name in ENGINES:
            engines[name] = ENGINES[name]
        elif name in OPTIONAL:
            place, package = OPTIONAL[name]
            if find_spec(package) is None:
                missing.append(
                    f"{name} is not measured: the package {package} is not installed"
                    " (pip install 'headwater[bench]')"
                )
            else:
                engines[name] = _load(place)
    live_engines: dict[str, type[LiveEngine]] = {}
    if LiveHeadwater.name in engines:
        live_engines[LiveHeadwater.name] = LiveHeadwater
    if LivePglite.name in names:
        lacking = LivePglite.missing()
        if lacking is None:
            live_engines[LivePglite.name] = LivePglite
        else:
            missing.append(f"{LivePglite.name} is not measured: {lacking}")
    return Cast(engines, live_engines, missing)


def _load(place: str) -> type[Engine]:
    module, _, name = place.partition(":")
    found: type[Engine] = getattr(import_module(f"bench.adapters.{module}"), name)
    return found
