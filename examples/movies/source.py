"""The data set: 3,201 films up to 2010, cleaned.

They are the ``movies.json`` of the Vega project, as the package ``data_formulator`` carries them.
It is a real data set, with what real ones have: unknown values as nulls, as zeros and as the last
day of 1969, dates as text, centuries that were guessed from two digits, titles that are numbers,
and letters that were read in the wrong encoding.
"""

import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

from examples.movies.movies import NewFilm

_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_LAST_YEAR: Final = 2011  # of films that were announced when the data was collected
_UNKNOWN_DATE: Final = "Dec 31 1969"  # the second before Unix time begins: a missing value, printed
_FIELDS: Final = {
    "genre": "Major Genre",
    "kind": "Creative Type",
    "origin": "Source",
    "distributor": "Distributor",
    "director": "Director",
    "rated": "MPAA Rating",
    "minutes": "Running Time min",
    "critics": "Rotten Tomatoes Rating",
    "votes": "IMDB Votes",
}
_DOLLARS: Final = {
    "budget": "Production Budget",
    "us_gross": "US Gross",
    "world_gross": "Worldwide Gross",
    "dvd_sales": "US DVD Sales",
}


def load() -> list[dict[str, Any]]:
    """The rows as they are in the package. Reads one local file."""
    # Found, not imported: only this one file of the package is wanted, none of what it needs.
    package = find_spec("data_formulator")
    if package is None or package.origin is None:
        raise SystemExit(
            "this example needs its data: pip install --no-deps data_formulator==0.7.0"
        )
    path = Path(package.origin).parent / "dist" / "df_movies.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["tables"][0]["rows"]
    return rows


def clean(row: int, raw: Mapping[str, Any]) -> NewFilm:
    """One row as a film: real types, true years, absent instead of null."""
    film: dict[str, Any] = {"row": row, "title": _title(raw["Title"])}
    if raw["Release Date"] != _UNKNOWN_DATE:
        film |= _dates(raw["Release Date"])
    film |= {name: raw[old] for name, old in _FIELDS.items() if raw[old] is not None}
    film |= {name: raw[old] for name, old in _DOLLARS.items() if raw[old]}  # nobody earns just 0
    if raw["IMDB Rating"] is not None:
        film["rating"] = float(raw["IMDB Rating"])
    return cast("NewFilm", film)  # put together by name; the database checks it


def _dates(text: str) -> dict[str, object]:
    """``Jun 12 1998`` in parts; ``Aug 25 2039`` is the Wizard of Oz, and was 1939."""
    month, day, year_text = text.split()
    year = int(year_text)
    if year > _LAST_YEAR:
        year -= 100
    released = f"{year}-{_MONTHS.index(month) // 3 + 1:02}-{day}"
    return {"released": released, "year": year, "decade": year // 10 * 10}


def _title(raw: str | int | None) -> str:
    """``1941`` as text, ``LÈon`` as ``Léon``, ``Secret, The`` as ``The Secret``."""
    if raw is None:
        return "(no title)"
    title = " ".join(_repaired(str(raw)).split())
    return re.sub(r"^(.*), (The|Les)$", r"\2 \1", title)


def _repaired(text: str) -> str:
    """Letters as they were before a Macintosh read a text from Windows."""
    try:
        return text.encode("mac_roman").decode("cp1252")
    except UnicodeError:
        return text
