"""Cars and their makers: the tables, and the functions of the example."""

from typing import Annotated, Literal, NotRequired, TypedDict

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table

Origin = Literal["USA", "Europe", "Japan"]


class Measures(TypedDict):
    """What the data set says of a car. What it does not know is absent, never a null."""

    row: int  # its place in the data set
    model: str
    year: Annotated[int, hw.Range(ge=1900, le=2100)]
    origin: Origin
    cylinders: int
    weight_lbs: float
    mpg: NotRequired[float]  # miles per gallon
    horsepower: NotRequired[float]


class NewCar(Measures):
    maker: str


class Maker(Document["Maker"]):
    name: str


class Makers(Table[Maker]):
    by_name = Index("name", unique=True)


class Car(Measures, Document["Car"]):
    maker: Id[Maker]
    likes: NotRequired[int]


class Cars(Table[Car]):
    by_row = Index("row", unique=True)
    by_mpg = Index("mpg")
    by_year_and_mpg = Index("year", "mpg")
    by_origin_and_mpg = Index("origin", "mpg")


class Listed(TypedDict):
    """A car as it is shown, with the name of its maker."""

    id: Id[Car]
    name: str
    year: int
    origin: Origin
    mpg: float | None


# Queries ----------------------------------------------------------------------------------------


@hw.query
def rows_loaded(ctx: QueryCtx) -> int:
    """How many rows of the data set are in; reads one document."""
    last = ctx.db.query(Cars).with_index(Cars.by_row).order("desc").first()
    return last["row"] + 1 if last else 0


@hw.query
def most_frugal(ctx: QueryCtx, limit: int = 5) -> list[Listed]:
    """The cars that go farthest on a gallon, best first."""
    cars = ctx.db.query(Cars).with_index(Cars.by_mpg).order("desc").take(limit)
    return [_listed(ctx, car) for car in cars]


@hw.query
def best_of_each_year(ctx: QueryCtx) -> list[Listed]:
    """The most frugal car of each year; reads one document per year."""
    best: list[Listed] = []
    ranges = ctx.db.query(Cars)
    car = ranges.with_index(Cars.by_year_and_mpg).order("desc").first()
    while car is not None:
        best.append(_listed(ctx, car))
        earlier = ranges.with_index(Cars.by_year_and_mpg, lt=car["year"])
        car = earlier.order("desc").first()
    return best[::-1]


@hw.query
def from_origin(ctx: QueryCtx, origin: Origin, at_least_mpg: float) -> list[Listed]:
    """Cars of one origin from a mileage on, best first."""
    matching = ctx.db.query(Cars).with_index(Cars.by_origin_and_mpg, origin, gte=at_least_mpg)
    return [_listed(ctx, car) for car in matching.order("desc").collect()]


@hw.query
def likes_of(ctx: QueryCtx, car: Id[Car]) -> int:
    """How often a car was liked."""
    found = ctx.db.get(car)
    return found.get("likes", 0) if found else 0


def _listed(ctx: QueryCtx, car: Car) -> Listed:
    maker = ctx.db.get(car["maker"])
    name = f"{maker['name'] if maker else '?'} {car['model']}"
    return {
        "id": car["_id"],
        "name": name,
        "year": car["year"],
        "origin": car["origin"],
        "mpg": car.get("mpg"),
    }


# Mutations --------------------------------------------------------------------------------------


@hw.mutation
def add(ctx: MutationCtx, car: NewCar) -> Id[Car]:
    """Add a car, and its maker if that is a new one. All of it or nothing."""
    maker = ctx.db.query(Makers).with_index(Makers.by_name, car["maker"]).unique()
    maker_id = maker["_id"] if maker else ctx.db.insert(Makers, {"name": car["maker"]})
    return ctx.db.insert(Cars, {**car, "maker": maker_id})


@hw.mutation
def correct_mpg(ctx: MutationCtx, car: Id[Car], mpg: float) -> None:
    """Replace a measurement."""
    ctx.db.patch(car, mpg=mpg)


@hw.mutation
def like(ctx: MutationCtx, car: Id[Car]) -> int:
    """Count one more who likes a car. Reads and writes: two at once must not count as one."""
    likes = likes_of(ctx, car=car) + 1
    ctx.db.patch(car, likes=likes)
    return likes
