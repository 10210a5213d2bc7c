"""Crons as they are stored: declared by modules, and registered at run time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from headwater.errors import ArgumentError, DeclarationError, UsageError
from headwater.functions.context_services import AsyncServe, Serve
from headwater.functions.cron_schedules import Schedule, schedule_of
from headwater.functions.crons import (
    CronDeclaration,
    Missed,
    RegisteredCron,
    RegisteredCrons,
    check_cron,
)
from headwater.functions.runner import Runner
from headwater.functions.scheduling import Schedulable
from headwater.schema.tables import Id
from headwater.services.cron_runs import insert_run, last_number
from headwater.services.scheduling import now_ms, schedulable
from headwater.transactions.reader import Reader
from headwater.transactions.service_writer import ServiceWriter
from headwater.transactions.transaction import Transaction

_REGISTER: Final = "_register_cron"
_DELETE: Final = "_delete_cron"
_LOOK: Final = "_look_at_crons"
_DECLARE: Final = "_declare_crons"

_KEPT: Final = ("name", "function", "args", "schedule", "missed", "module")
"""What is compared with a declaration; everything else is how it stands."""


class StoredCrons:
    """Reads and writes the crons of one database."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    # -- declared ones --------------------------------------------------------------------------

    def declare(self) -> None:
        """Take over what the modules declare, in one commit, or none if nothing has changed.

        Raises:
            DeclarationError: One of them calls something that cannot run later, or its arguments
                do not fit.
        """
        application = self._runner.application
        wanted = {one.name: self._fields(one) for one in application.crons.values()}
        with closing(self._runner.store.snapshot()) as snapshot:
            store = self._runner.store
            reader = Reader(store.begin(snapshot, seconds_limit=None, is_read_only=True))
            if not self._differs(reader, wanted):
                return
        self._runner.serve(_DECLARE, lambda transaction: self._take_over(transaction, wanted))

    def _fields(self, declaration: CronDeclaration) -> dict[str, Any]:
        try:
            path, args = self._bind(declaration.function, declaration.args)
        except UsageError as error:
            raise DeclarationError(f"cron {declaration.name!r}: {error}") from error
        return {
            "name": declaration.name,
            "function": path,
            "args": args,
            "schedule": declaration.schedule.stored(),
            "missed": declaration.missed,
            "module": declaration.module,
        }

    def _bind(self, function: object, args: Mapping[str, object]) -> tuple[str, dict[str, Any]]:
        compiled = self._runner.find(schedulable(self._runner, function))
        return compiled.path, compiled.bind((), args)

    def _differs(self, reader: Reader, wanted: Mapping[str, dict[str, Any]]) -> bool:
        stored = {one["name"]: one for one in reader.query(RegisteredCrons)}
        if self._gone(stored.values(), wanted):
            return True
        return any(
            name not in stored or _declared_part(stored[name]) != fields
            for name, fields in wanted.items()
        )

    def _gone(
        self, stored: Iterable[RegisteredCron], wanted: Mapping[str, object]
    ) -> list[RegisteredCron]:
        """Those that a module of this application has declared once, and does not any more."""
        modules = self._runner.application.modules
        return [one for one in stored if one["module"] in modules and one["name"] not in wanted]

    def _take_over(self, transaction: Transaction, wanted: Mapping[str, dict[str, Any]]) -> None:
        writer = ServiceWriter(transaction, self._runner.store.rules)
        for one in self._gone(writer.query(RegisteredCrons).collect(), wanted):
            _delete(writer, one, transaction)
        for name, fields in wanted.items():
            self._put(writer, _find(writer, name), fields, transaction)

    # -- those of run time ----------------------------------------------------------------------

    def register(
        self,
        name: str,
        schedule: Schedule,
        function: object,
        args: Mapping[str, object] | None,
        missed: Missed,
    ) -> Callable[[Transaction], Id[RegisteredCron]]:
        """What `CronRegistry.register` does."""
        check_cron(name, schedule, missed)
        path, arguments = self._bind(function, args or {})
        fields: dict[str, Any] = {
            "name": name,
            "function": path,
            "args": arguments,
            "schedule": schedule.stored(),
            "missed": missed,
            "module": "",
        }

        def run(transaction: Transaction) -> Id[RegisteredCron]:
            writer = ServiceWriter(transaction, self._runner.store.rules)
            stored = _find(writer, name)
            _refuse_declared(stored, "register")
            return self._put(writer, stored, fields, transaction)

        return run

    def delete(self, name: str) -> Callable[[Transaction], bool]:
        """What `CronRegistry.delete` does."""

        def run(transaction: Transaction) -> bool:
            writer = ServiceWriter(transaction, self._runner.store.rules)
            stored = _find(writer, name)
            _refuse_declared(stored, "delete")
            if stored is not None:
                _delete(writer, stored, transaction)
            return stored is not None

        return run

    def get(self, name: str) -> Callable[[Transaction], RegisteredCron | None]:
        """What `CronRegistry.get` does."""
        return lambda transaction: _find(Reader(transaction), name)

    def list(self) -> Callable[[Transaction], Sequence[RegisteredCron]]:
        """What `CronRegistry.list` does."""

        def run(transaction: Transaction) -> Sequence[RegisteredCron]:
            query = Reader(transaction).query(RegisteredCrons)
            return query.with_index(RegisteredCrons.by_name).collect()

        return run

    def _put(
        self,
        writer: ServiceWriter,
        stored: RegisteredCron | None,
        fields: dict[str, Any],
        transaction: Transaction,
    ) -> Id[RegisteredCron]:
        """Store a cron, in place of the one of its name; how that stands stays."""
        now = now_ms(self._runner, transaction)
        schedule = schedule_of(fields["schedule"])
        if stored is None:
            runs = last_number(writer, fields["name"])
            added = {"state": "waiting", "nextTime": schedule.first(now), "runs": runs}
            return writer.insert(RegisteredCrons, {**fields, **added})
        if stored["schedule"] != fields["schedule"]:
            fields = {**fields, "nextTime": schedule.first(now)}
        writer.patch(stored["_id"], fields)
        return stored["_id"]


def _declared_part(stored: RegisteredCron) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name in _KEPT}


def _find(reader: Reader, name: str) -> RegisteredCron | None:
    return reader.query(RegisteredCrons).with_index(RegisteredCrons.by_name, name).first()


def _delete(writer: ServiceWriter, cron: RegisteredCron, transaction: Transaction) -> None:
    """Delete a cron; the end of a run that goes on will not be noted."""
    ended = {"state": "canceled", "completedTime": transaction.moment.now_ms}
    run, turn = cron.get("run"), cron.get("turn")
    if turn is not None:
        insert_run(writer, cron, turn, ended)
    elif run is not None and writer.get(Id[Any](run)) is not None:
        writer.patch(Id[Any](run), ended)
    writer.delete(cron["_id"])


def _refuse_declared(stored: RegisteredCron | None, verb: str) -> None:
    if stored is not None and stored["module"]:
        raise ArgumentError(
            f"cannot {verb} the cron {stored['name']!r}: the module {stored['module']} declares "
            "it, and would at the next opening; change the declaration, or take another name"
        )


class CronVerbs:
    """A `headwater.functions.crons.CronRegistry`, over what gives it a transaction."""

    def __init__(self, stored: StoredCrons, serve: Serve) -> None:
        self._stored = stored
        self._serve = serve

    def register(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        missed: Missed = "skip",
    ) -> Id[RegisteredCron]:
        """Run a function on a schedule."""
        run = self._stored.register(name, schedule, function, args, missed)
        return self._serve(_REGISTER, run)

    def delete(self, name: str) -> bool:
        """Run it no more; whether there was one."""
        return self._serve(_DELETE, self._stored.delete(name))

    def get(self, name: str) -> RegisteredCron | None:
        """The cron of that name, or None."""
        return self._serve(_LOOK, self._stored.get(name))

    def list(self) -> Sequence[RegisteredCron]:
        """All crons, by name."""
        return self._serve(_LOOK, self._stored.list())


class AsyncCronVerbs:
    """A `headwater.functions.crons.AsyncCronRegistry`, over what gives it a transaction."""

    def __init__(self, stored: StoredCrons, serve: AsyncServe) -> None:
        self._stored = stored
        self._serve = serve

    async def register(
        self,
        name: str,
        schedule: Schedule,
        function: Schedulable[...],
        args: Mapping[str, object] | None = None,
        *,
        missed: Missed = "skip",
    ) -> Id[RegisteredCron]:
        """Run a function on a schedule."""
        run = self._stored.register(name, schedule, function, args, missed)
        return await self._serve(_REGISTER, run)

    async def delete(self, name: str) -> bool:
        """Run it no more; whether there was one."""
        return await self._serve(_DELETE, self._stored.delete(name))

    async def get(self, name: str) -> RegisteredCron | None:
        """The cron of that name, or None."""
        return await self._serve(_LOOK, self._stored.get(name))

    async def list(self) -> Sequence[RegisteredCron]:
        """All crons, by name."""
        return await self._serve(_LOOK, self._stored.list())
