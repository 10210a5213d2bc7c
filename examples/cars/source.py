"""The data set: 406 cars of 1970 to 1982, from the package ``vega_datasets``, cleaned.

It is a real one, with what real ones have: unknown values as nulls, a year that is written as a
date, whole and broken numbers in one column, and makers in four spellings.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from examples.cars.cars import NewCar

_MAKERS: Final = {
    "amc": "AMC",
    "bmw": "BMW",
    "chevroelt": "Chevrolet",
    "chevy": "Chevrolet",
    "hi": "International Harvester",
    "maxda": "Mazda",
    "mercedes": "Mercedes-Benz",
    "mercedes-benz": "Mercedes-Benz",
    "toyouta": "Toyota",
    "vokswagen": "Volkswagen",
    "vw": "Volkswagen",
}


def load() -> list[dict[str, Any]]:
    """The rows as they are in the package. Reads one local file."""
    # Not imported: importing vega_datasets imports pandas, which takes a second.
    package = find_spec("vega_datasets")
    if package is None or package.origin is None:
        raise SystemExit("this example needs its data: pip install 'headwater[examples]'")
    path = Path(package.origin).parent / "_data" / "cars.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def clean(row: int, raw: Mapping[str, Any]) -> NewCar:
    """One row as a car: real types, one spelling per maker, absent instead of null."""
    name: str = raw["Name"].replace("capri ii", "mercury capri ii")
    first, _, rest = name.partition(" ")
    car: NewCar = {
        "row": row,
        "maker": _MAKERS.get(first, first.capitalize()),
        "model": " ".join(map(_capitalized, rest.split())) or first.capitalize(),
        "year": int(raw["Year"][:4]),
        "origin": raw["Origin"],
        "cylinders": raw["Cylinders"],
        "weight_lbs": float(raw["Weight_in_lbs"]),
    }
    if raw["Miles_per_Gallon"] is not None:
        car["mpg"] = float(raw["Miles_per_Gallon"])
    if raw["Horsepower"] is not None:
        car["horsepower"] = float(raw["Horsepower"])
    return car


def _capitalized(word: str) -> str:
    """``civic`` as ``Civic``, but ``glc`` and ``pl510`` as ``GLC`` and ``PL510``."""
    is_code = word == "ii" or any(map(str.isdigit, word)) or not set(word) & set("aeiouy")
    return word.upper() if is_code else word.title()
