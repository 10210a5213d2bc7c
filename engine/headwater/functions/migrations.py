"""Migrations: what is done once to every document of a table, as modules declare it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    ClassVar,
    Final,
    Generic,
    Literal,
    NotRequired,
    TypeAlias,
    TypedDict,
    TypeVar,
)

from headwater.errors import DeclarationError
from headwater.functions.collected import Collected, CollectedAs
from headwater.functions.contexts import MutationCtx
from headwater.functions.declaration import Mutation, Options
from headwater.schema.tables import AnyDocument, Document, Id, Index, Table, is_table

D = TypeVar("D", bound=AnyDocument)

MigrationState: TypeAlias = Literal[
    "pending", "running", "success", "failed", "canceled", "undoing", "undone"
]

BATCH_DOCUMENTS: Final = 200
_BATCH_DOCUMENTS_MAX: Final = 10_000
_NAME_CHARACTERS_MAX: Final = 200


class MigrationPosition(TypedDict):
    """A place in the order of creation."""

    time: float
    id: str


class MigrationRun(Document["MigrationRun"]):
    """A migration in one database: how its last run stands.

    Times are in milliseconds since the epoch. ``run`` counts the runs from the first document on.
    ``processed`` documents were handed to the function, of about ``total``, and ``changed`` ones
    made it write something. ``error`` says why it failed, and ``document`` at which document.

    The rest is how it goes on: the walk has come to ``cursor`` and ends at ``end``, and what was
    inserted meanwhile was looked at up to commit ``seen``, and ``seenEvents`` of its changes more.
    ``own`` are documents that it has inserted and the walk has to pass over. ``began`` is the
    commit before its first one, ``undone`` the last that was undone. ``owner`` is the open database
    that runs it.
    """

    name: str
    function: str
    table: str
    state: MigrationState
    run: int
    processed: int
    changed: int
    total: int
    startedTime: NotRequired[float]  # noqa: N815 - as clients in other languages know it
    endedTime: NotRequired[float]  # noqa: N815
    error: NotRequired[str]
    document: NotRequired[str]
    cursor: NotRequired[MigrationPosition]
    end: NotRequired[MigrationPosition]
    seen: NotRequired[int]
    seenEvents: NotRequired[int]  # noqa: N815
    own: NotRequired[list[str]]
    began: NotRequired[int]
    undone: NotRequired[int]
    owner: NotRequired[str]


class Migrations(Table[MigrationRun], name="_migrations", number=1041):
    """All migrations that were ever started, by their names."""

    by_name: ClassVar[Index] = Index("name", unique=True)
    by_state: ClassVar[Index] = Index("state")


MigrationHandler: TypeAlias = Callable[[MutationCtx, D], Mapping[str, object] | None]
"""What is done to one document: the fields to set, as `patch` takes them, or None."""


class Migration(Collected, Generic[D]):
    """A declared migration; made by ``@migration``.

    Attributes:
        handler: The function itself.
        name: What it is called, in the database too.
        module: The dotted name of its module.
        table: Whose documents it changes.
        batch_documents: How many documents share a transaction.
        after: The migrations that have to succeed before it begins.
        step: The mutation that does one batch.
        preview: The mutation that tries one, in a transaction that nobody commits.
    """

    collected_as: ClassVar[CollectedAs] = "migration"

    def __init__(
        self,
        handler: MigrationHandler[D],
        *,
        table: type[Table[D]],
        name: str | None,
        batch_documents: int,
        after: "Sequence[Migration[Any]]",
    ) -> None:
        _check_handler(handler)
        self.handler: MigrationHandler[D] = handler
        self.name: str = handler.__name__ if name is None else name
        self.module: str = handler.__module__ or "__main__"
        self.table: type[Table[D]] = table
        self.batch_documents: int = batch_documents
        self.after: tuple[Migration[Any], ...] = tuple(after)
        self.__doc__ = handler.__doc__
        self.__wrapped__ = handler
        self._check()
        self.step: Mutation[..., bool] = _step(self)
        self.preview: Mutation[..., Any] = _preview(self)

    def __call__(self, ctx: MutationCtx, document: D) -> Mapping[str, object] | None:
        """What it does to one document, as a test may want to see."""
        return self.handler(ctx, document)

    def __repr__(self) -> str:
        return f"<migration {self.name} of {self.table.table_name}>"

    def _check(self) -> None:
        name = _checked_name(self.name)
        table: object = self.table
        if not is_table(table):
            raise DeclarationError(
                f"migration {name!r}: expected @hw.migration(Messages), with the class of a table, "
                f"got {table!r}"
            )
        if self.table.table_name.startswith("_"):
            raise DeclarationError(
                f"migration {name!r}: {self.table.table_name!r} is a table of the database itself "
                "or of one of its services, and is written by that alone"
            )
        count: object = self.batch_documents
        if type(count) is not int or not 1 <= count <= _BATCH_DOCUMENTS_MAX:
            raise DeclarationError(
                f"migration {name!r}: batch_documents={count!r}, expected a number from 1 to "
                f"{_BATCH_DOCUMENTS_MAX}"
            )
        for other in self.after:
            if not isinstance(other, Migration):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise DeclarationError(
                    f"migration {name!r}: after={other!r}, expected a function that is declared "
                    "with @hw.migration, or a list of such"
                )


class MigrationDecorator(Generic[D]):
    """What ``@migration(table)`` gives."""

    def __init__(self, table: type[Table[D]], options: Mapping[str, Any]) -> None:
        self._table = table
        self._options = options

    def __call__(self, handler: MigrationHandler[D], /) -> Migration[D]:
        """Declare a function as a migration."""
        return Migration(handler, table=self._table, **self._options)


def migration(
    table: type[Table[D]],
    *,
    name: str | None = None,
    batch_documents: int = BATCH_DOCUMENTS,
    after: Migration[Any] | Sequence[Migration[Any]] = (),
) -> MigrationDecorator[D]:
    """Declares what is done once to every document of a table: ``@hw.migration(Messages)``.

    The function gets a context and a document, and returns fields to set, as `patch` takes them, or
    None. It may read and write other documents too. It is run by ``db.migrations``, in batches
    that are a transaction each, and on each document once: the effect and how far it came are one
    commit. The rules of tables do not hold for it.

    Args:
        table: Whose documents it changes.
        name: What it is called in the database, where it is remembered; the function's name by
            default.
        batch_documents: How many documents share a transaction, from 1 to 10,000.
        after: What has to succeed before it begins.

    Raises:
        DeclarationError: The options or the function cannot be those of a migration.
    """
    others = (after,) if isinstance(after, Migration) else after
    options = {"name": name, "batch_documents": batch_documents, "after": others}
    return MigrationDecorator(table, options)


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_CHARACTERS_MAX:
        raise DeclarationError(
            f"migration {name!r}: expected a name of up to {_NAME_CHARACTERS_MAX} characters"
        )
    return name


def _check_handler(handler: object) -> None:
    if not inspect.isfunction(handler):
        raise DeclarationError(
            f"@migration: expected a function, got {handler!r}; the table comes first, as in "
            "@hw.migration(Messages)"
        )
    if inspect.iscoroutinefunction(handler):
        raise DeclarationError(
            f"@migration: {handler.__qualname__} is an async def; it runs inside a transaction and "
            "must not wait: declare it with def"
        )
    parameters = list(inspect.signature(handler).parameters.values())
    needed = [one for one in parameters if one.default is inspect.Parameter.empty]
    if len(parameters) < 2 or len(needed) > 2:
        raise DeclarationError(
            f"@migration: {handler.__qualname__}{inspect.signature(handler)} is called with a "
            "context and a document; declare def name(ctx: MutationCtx, message: Message)"
        )


def _step(migration: Migration[Any]) -> Mutation[..., bool]:
    def step(ctx: MutationCtx, run: str) -> bool:
        from headwater.functions.migration_batches import take_batch

        return take_batch(migration, ctx, Id[MigrationRun](run))

    return _internal(migration, step)


def _preview(migration: Migration[Any]) -> Mutation[..., Any]:
    def preview(ctx: MutationCtx, after: dict[str, Any], count: int, sample: int) -> Any:
        from headwater.functions.migration_batches import try_batch

        return try_batch(migration, ctx, after, count, sample)

    return _internal(migration, preview)


def _internal(migration: Migration[Any], function: Callable[..., Any]) -> Mutation[..., Any]:
    """A function that is found where the migration is declared, and called by nobody."""
    handler = migration.handler
    function.__name__, function.__qualname__ = handler.__name__, handler.__qualname__
    function.__module__, function.__doc__ = migration.module, handler.__doc__
    return Mutation(function, Options(is_internal=True))
