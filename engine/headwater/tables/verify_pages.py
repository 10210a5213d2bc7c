"""Whether LMDB can read the data file without harm, and the journal has what it may lose."""

from pathlib import Path
from typing import Final

from headwater.storage.format import DATA_NAME, FORMAT_WITHOUT_JOURNAL
from headwater.storage.manifest import read_manifest
from headwater.storage.precheck import walk_pages
from headwater.storage.recovery import check_journal
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


def verify_journal(directory: Path, transaction: int | None) -> list[Problem]:
    """Look whether the journal is whole and has what the data file may lose. O(journal).

    Args:
        directory: A database; others may write to it meanwhile.
        transaction: The one up to which it must lead, as a snapshot sees it.
    """
    if read_manifest(directory).format == FORMAT_WITHOUT_JOURNAL:
        return []
    found = check_journal(directory, transaction or 0)
    return [Problem("journal_damaged", "", "", 0, finding) for finding in found]
