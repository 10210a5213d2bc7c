"""The engines by name."""

from typing import Final

from bench.adapters.contract import Engine
from bench.adapters.headwater_embedded import HeadwaterEmbedded
from bench.adapters.lmdb_by_hand import LmdbByHand
from bench.adapters.sqlite_columns import SqliteColumns
from bench.adapters.sqlite_committer import SqliteJsonCommitter
from bench.adapters.sqlite_json import SqliteJson

ENGINES: Final[dict[str, type[Engine]]] = {
    engine.name: engine
    for engine in (HeadwaterEmbedded, SqliteJson, SqliteColumns, SqliteJsonCommitter, LmdbByHand)
}
BASELINE: Final = SqliteJson.name
