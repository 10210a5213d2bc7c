"""Whether the pages of the data file are such that LMDB can read them without harm."""

from pathlib import Path
from typing import Final

from headwater.storage.format import DATA_NAME
from headwater.storage.precheck import walk_pages
from headwater.tables.problems import Problem

_SHOWN_MAX: Final = 100
_STEADY_MAX: Final = 5


def verify_pages(directory: Path) -> list[Problem]:
    """Look at every page, as plain bytes; at most a hundred problems. About 150 MB per second.

    Others may write meanwhile if the caller keeps a snapshot open: its pages, and those of later
    commits, are then not used again.
    """
    findings = walk_pages(directory / DATA_NAME)
    for _ in range(_STEADY_MAX):
        if not findings:
            break
        # A head that was being written while it was read: only what stays wrong is damage.
        before, findings = findings, walk_pages(directory / DATA_NAME)
        if findings == before:
            break
    return [
        Problem("pages_damaged", "", "", 0, f"{directory / DATA_NAME}: {finding}")
        for finding in findings[:_SHOWN_MAX]
    ]
