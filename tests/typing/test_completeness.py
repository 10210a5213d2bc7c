"""Every name of the package says its type, so that all checkers see the same."""

import json
import sys
from pathlib import Path

from tests.typing.checkers import SOURCES, run

FACES = ("headwater.server.", "headwater.dashboard.", "headwater.cli.")
"""Nobody imports them: inside are types of libraries that are extras."""
OF_LMDB = {"headwater.storage.failures.RewindNeededError"}
"""Its base is an error of lmdb, which has no types."""


def test_every_public_name_has_a_known_type(tmp_path: Path) -> None:
    arguments = ("--verifytypes", "headwater", "--ignoreexternal", "--outputjson")
    printed = run(
        tmp_path, "pyright", f"--pythonpath={sys.executable}", *arguments, PYTHONPATH=SOURCES
    )
    completeness = json.loads(printed)["typeCompleteness"]
    reasons = [
        f"{symbol['name']}: {[one['message'] for one in symbol['diagnostics']]}"
        for symbol in completeness["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
        if not symbol["name"].startswith(FACES) and symbol["name"] not in OF_LMDB
    ]
    assert reasons == []
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 1000
