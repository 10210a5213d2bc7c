"""Films and their directors: the tables, and the functions of the example."""

from typing import Annotated, Literal, NotRequired, TypedDict

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, Table

Genre = Literal[
    "Action",
    "Adventure",
    "Black Comedy",
    "Comedy",
    "Concert/Performance",
    "Documentary",
    "Drama",
    "Horror",
    "Musical",
    "Romantic Comedy",
    "Thriller/Suspense",
    "Western",
]
Dollars = Annotated[int, hw.Range(gt=0)]
Rating = Annotated[float, hw.Range(ge=0, le=10)]


class Facts(TypedDict):
    """What the data set says of a film. What it does not know is absent, never a null."""

    row: int  # its place in the data set
    title: str
    released: NotRequired[Annotated[str, hw.Pattern(r"\d{4}-\d{2}-\d{2}")]]
    year: NotRequired[int]
    decade: NotRequired[int]  # 1990 for 1990 to 1999
    genre: NotRequired[Genre]
    kind: NotRequired[str]  # "Science Fiction", "Super Hero" ...
    origin: NotRequired[str]  # "Original Screenplay", "Based on Play" ...
    distributor: NotRequired[str]
    rated: NotRequired[Literal["G", "PG", "PG-13", "R", "NC-17", "Not Rated", "Open"]]
    minutes: NotRequired[Annotated[int, hw.Range(gt=0)]]
    budget: NotRequired[Dollars]
    us_gross: NotRequired[Dollars]
    world_gross: NotRequired[Dollars]
    dvd_sales: NotRequired[Dollars]
    critics: NotRequired[Annotated[int, hw.Range(ge=0, le=100)]]  # per cent who liked it
    rating: NotRequired[Rating]
    votes: NotRequired[Annotated[int, hw.Range(ge=0)]]


class NewFilm(Facts):
    director: NotRequired[str]


class Director(Document["Director"]):
    name: str


class Directors(Table[Director]):
    by_name = Index("name", unique=True)


class Film(Facts, Document["Film"]):
    director: NotRequired[Id[Director]]


class Films(Table[Film]):
    by_row = Index("row", unique=True)
    by_title = Index("title", "year", unique=True)
    by_decade = Index("decade", "rating")
    by_genre = Index("genre", "rating")
    by_director = Index("director", "rating")


class Listed(TypedDict):
    """A film as it is shown, with the name of its director."""

    id: Id[Film]
    title: str
    year: int | None
    decade: int | None
    director: str | None
    rating: float
    votes: int


# Queries ----------------------------------------------------------------------------------------


@hw.query
def rows_loaded(ctx: QueryCtx) -> int:
    """How many rows of the data set are in; reads one document."""
    last = ctx.db.query(Films).with_index(Films.by_row).order("desc").first()
    return last["row"] + 1 if last else 0


@hw.query
def find(ctx: QueryCtx, title: str, year: int) -> Film | None:
    """The film of that title and year; there can only be one."""
    return ctx.db.query(Films).with_index(Films.by_title, title, year).unique()


@hw.query
def best_of_decade(
    ctx: QueryCtx, decade: int, minimum_votes: int = 10_000, limit: int = 5
) -> list[Listed]:
    """The best rated films of ten years, best first; reads no further than it must."""
    films = ctx.db.query(Films).with_index(Films.by_decade, decade, gte=0).order("desc")
    return [
        _listed(ctx, film)
        for film in films.filter(lambda film: film.get("votes", 0) >= minimum_votes).take(limit)
    ]


@hw.query
def best_of_each_decade(ctx: QueryCtx) -> list[Listed]:
    """The best film of each decade, oldest first; jumps from one decade to the one before."""
    best: list[Listed] = []
    films = ctx.db.query(Films)
    last = films.with_index(Films.by_decade, gte=0).order("desc").first()
    while last is not None:
        decade = last.get("decade", 0)
        best += best_of_decade(ctx, decade=decade, limit=1)
        last = films.with_index(Films.by_decade, gte=0, lt=decade).order("desc").first()
    return best[::-1]


@hw.query
def best_of_genre(
    ctx: QueryCtx, genre: Genre, minimum_votes: int = 10_000, limit: int = 5
) -> list[Listed]:
    """The best rated films of a genre, best first."""
    films = ctx.db.query(Films).with_index(Films.by_genre, genre, gte=0).order("desc")
    return [
        _listed(ctx, film)
        for film in films.filter(lambda film: film.get("votes", 0) >= minimum_votes).take(limit)
    ]


@hw.query
def best_of_director(ctx: QueryCtx, name: str, limit: int = 5) -> list[Listed]:
    """The best rated films of a director, best first."""
    director = ctx.db.query(Directors).with_index(Directors.by_name, name).unique()
    if director is None:
        return []
    films = ctx.db.query(Films).with_index(Films.by_director, director["_id"], gte=0)
    return [_listed(ctx, film) for film in films.order("desc").take(limit)]


def _listed(ctx: QueryCtx, film: Film) -> Listed:
    director = ctx.db.get(film["director"]) if "director" in film else None
    return {
        "id": film["_id"],
        "title": film["title"],
        "year": film.get("year"),
        "decade": film.get("decade"),
        "director": director["name"] if director else None,
        "rating": film.get("rating", 0),
        "votes": film.get("votes", 0),
    }


# Mutations --------------------------------------------------------------------------------------


@hw.mutation
def add(ctx: MutationCtx, films: list[NewFilm]) -> int:
    """Add films, and those of their directors who are new. All of it or nothing."""
    for film in films:
        fields: dict[str, object] = {**film}
        if "director" in film:
            fields["director"] = _director(ctx, film["director"])
        ctx.db.insert(Films, fields)
    return len(films)


def _director(ctx: MutationCtx, name: str) -> Id[Director]:
    known = ctx.db.query(Directors).with_index(Directors.by_name, name).unique()
    return known["_id"] if known else ctx.db.insert(Directors, {"name": name})


@hw.mutation
def rate(ctx: MutationCtx, film: Id[Film], rating: Rating) -> None:
    """Replace the rating of a film."""
    ctx.db.patch(film, rating=rating)


@hw.mutation
def vote(ctx: MutationCtx, film: Id[Film], stars: Rating) -> int:
    """Count one more vote. Reads and writes: two at once must not count as one."""
    found = ctx.db.get(film)
    if found is None:
        raise hw.ApplicationError({"code": "NO_FILM", "film": film})
    votes = found.get("votes", 0)
    rating = (found.get("rating", 0) * votes + stars) / (votes + 1)
    ctx.db.patch(film, rating=rating, votes=votes + 1)
    return votes + 1
