"""Calls the command inside this process, and an application for it."""

import sys
import tempfile
from contextlib import contextmanager

from typer.testing import CliRunner

import headwater as hw
from headwater.cli.commands import application

NOTES = '''
"""An application."""

import headwater as hw
from headwater import Document, Id, Index, MutationCtx, QueryCtx, SyncActionCtx, Table


class Note(Document["Note"]):
    author: str
    size: int


class Notes(Table[Note]):
    by_author = Index("author")


@hw.query
def list_(ctx: QueryCtx, author: str = "Ada") -> list[Note]:
    return ctx.db.query(Notes).with_index(Notes.by_author, author).collect()


@hw.query
def who(ctx: QueryCtx) -> str | None:
    return None if ctx.identity is None else ctx.identity.token_identifier


@hw.mutation
def add(ctx: MutationCtx, size: int, author: str = "Ada") -> Id[Note]:
    ctx.log.info(f"adding {size}")
    if size == 0:
        raise hw.ApplicationError({"code": "EMPTY", "size": hw.Int64(0)})
    if size == 13:
        return 1 // 0
    return ctx.db.insert(Notes, {"author": author, "size": size})


@hw.mutation(internal=True)
def forget(ctx: MutationCtx, note: Id[Note]) -> None:
    ctx.db.delete(note)


@hw.action
def twice(ctx: SyncActionCtx, size: int) -> int:
    ctx.mutate(add, size=size)
    ctx.mutate(add, size=size)
    return 2 * size


@hw.job(queue="slow")
@hw.mutation
def work(ctx: MutationCtx, number: int) -> None:
    raise ValueError(f"no {number}")


@hw.mutation
def ended(ctx: MutationCtx, job: Id[hw.Job], context: str, result: hw.JobResult) -> None:
    ctx.db.insert(Notes, {"author": context, "size": 1})


crons = hw.Crons()
crons.daily("tidy", add, {"size": 1}, hour=4)
'''


def call(*arguments, stdin=None):
    """Exit code, output and errors of a command."""
    result = CliRunner().invoke(application, [str(one) for one in arguments], input=stdin)
    if isinstance(result.exception, hw.HeadwaterError):
        return 1, result.stdout, f"headwater: {result.exception}\n"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def shown(*arguments, stdin=None):
    """What a command prints that ends well."""
    code, output, errors = call(*arguments, stdin=stdin)
    assert code == 0, output + errors
    return output


def refused(*arguments, code=1, stdin=None):
    """What a command says that refuses."""
    found, output, errors = call(*arguments, stdin=stdin)
    assert found == code, (found, output, errors)
    assert "Traceback" not in errors
    return " ".join(errors.replace("│", " ").split())


@contextmanager
def modules_restored():
    """Forget the modules of tests that are imported inside."""
    places, before = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = places
        # Others would be imported twice, and their classes would not be the same. All are found
        # before any is forgotten: the path of a package inside of another one asks for that.
        new = set(sys.modules) - before
        for name in [name for name in new if _is_of_a_test(sys.modules[name])]:
            del sys.modules[name]


def _is_of_a_test(module):
    files = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    return any(file and file.startswith(tempfile.gettempdir()) for file in files)
