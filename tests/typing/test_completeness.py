"""Every name of the package says its type, so that all checkers see the same."""

import json
import sys
from pathlib import Path

from tests.typing.checkers import SOURCES, run


def test_every_public_name_has_a_known_type(tmp_path: Path) -> None:
    arguments = ("--verifytypes", "headwater", "--ignoreexternal", "--outputjson")
    printed = run(
        tmp_path, "pyright", f"--pythonpath={sys.executable}", *arguments, PYTHONPATH=SOURCES
    )
    completeness = json.loads(printed)["typeCompleteness"]
    reasons = [
        f"{symbol['name']}: {diagnostic['message']}"
        for symbol in completeness["symbols"]
        if symbol["isExported"] and not symbol["isTypeKnown"]
        for diagnostic in symbol["diagnostics"]
        if "partially unknown" not in diagnostic["message"].splitlines()[0]
    ]
    assert reasons == []
    assert completeness["completenessScore"] == 1
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 1000
