"""Whether everything on disk is what the log says.

Three walks, each over one kind of thing: the log (checksums and chains), the documents and
tombstones against what the log makes of them, the indexes against the documents. What is damaged
is named and passed over, and what follows from damage that is named already is not named again.
This finds wrong records. Damaged pages of the file are LMDB's: `headwater.storage.precheck`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.errors import CorruptionError, HeadwaterError
from headwater.storage.commit_log import Commit, decode_commit
from headwater.storage.format import (
    CHECKSUM,
    TIMESTAMP,
    Database,
    open_document,
    seal_document,
    timestamp_of,
)
from headwater.storage.transactions import ReadTransaction
from headwater.tables.catalog import USER_TABLES_FROM, Catalog, load_catalog
from headwater.tables.progress import Report, reported
from headwater.tables.projection import META_CATALOG
from headwater.tables.rebuild import creation_time
from headwater.tables.snapshot import Snapshot
from headwater.tables.verify_indexes import verify_index
from headwater_indexes.errors import MalformedIdError
from headwater_indexes.ids import creation_time_of, table_number_of
