"""What the modules of an application declare, collected from them."""

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from headwater.errors import DeclarationError
from headwater.functions.access import DECLARED, Access, AccessRules, DefaultAccess
from headwater.functions.arguments import CompiledFunction, Contract, read_contract
from headwater.functions.collected import Collected
from headwater.functions.declaration import Function
from headwater.functions.paths import PathTable, function_path, module_path
from headwater.functions.projections import Projection, in_order
from headwater.functions.routes import Route, RouteTable
from headwater.schema.annotations import document_validator
from headwater.schema.explain import TableNumbers, name_problem
from headwater.schema.json_form import to_json
from headwater.schema.references import ReferenceDefinition, definitions_of
from headwater.schema.tables import Table, TableIndex, is_table, table_of
from headwater.schema.validators import ObjectValidator, RefinedValidator, Validator

if TYPE_CHECKING:
    from headwater.functions.crons import CronDeclaration, Crons
    from headwater.functions.job_options import Queue
    from headwater.functions.migrations import Migration

AnyFunction: TypeAlias = Function[..., Any]
AnyTable: TypeAlias = type[Table[Any]]


@dataclass(frozen=True, slots=True)
class Application:
    """What the modules of an application declare. Immutable, and of no database in particular.

    Attributes:
        functions: By published path.
        contracts: What each of them takes and gives, by published path.
        tables: By name.
        documents: The type of each table's documents, without the system fields, by table name.
        schemas: The same in its JSON form.
        references: What each table's documents refer to, by table name.
        projections: By name.
        crons: By name.
        routes: What answers requests.
        access: The rules of the tables.
        queues: By name, those that are declared.
        migrations: By name, each behind those that it comes after.
        modules: Names of the modules, in the order in which they were collected.
    """

    functions: Mapping[str, AnyFunction]
    contracts: Mapping[str, Contract]
    tables: Mapping[str, AnyTable]
    documents: Mapping[str, ObjectValidator]
    schemas: Mapping[str, Any]
    references: Mapping[str, tuple[ReferenceDefinition, ...]]
    projections: Mapping[str, Projection]
    crons: "Mapping[str, CronDeclaration]"
    routes: RouteTable
    access: Access
    queues: "Mapping[str, Queue]"
    migrations: "Mapping[str, Migration[Any]]"
    modules: tuple[str, ...]
    _paths: PathTable = field(repr=False, compare=False)
    _path_by_function: Mapping[AnyFunction, str] = field(repr=False, compare=False)

    def path(self, path: str) -> str:
        """The published path that somebody meant, such as ``chat:createChannel``.

        Raises:
            FunctionNotFoundError: There is none; the nearest one is named.
        """
        return path if path in self.functions else self._paths.find(path)

    def function(self, path: str) -> AnyFunction:
        """The function at a path, in any accepted spelling.

        Raises:
            FunctionNotFoundError: There is none; the nearest one is named.
        """
        return self.functions[self.path(path)]

    def find(self, path: str) -> AnyFunction | None:
        """The same, None if there is none: quick whatever a stranger asks for."""
        published = path if path in self.functions else self._paths.get(path)
        return None if published is None else self.functions[published]

    def path_of(self, function: AnyFunction) -> str | None:
        """The published path of a function, None if it is not one of this application."""
        return self._path_by_function.get(function)

    def table_of(self, document_type: Any) -> AnyTable | None:
        """The table of a document type, None if it has none here."""
        table = table_of(document_type)
        if table is None or table.table_number is not None:
            return table  # that of a service is one of every database
        return table if table in self.tables.values() else None

    def compile(
        self, tables: TableNumbers, *, nesting: int = 64
    ) -> dict[AnyFunction, CompiledFunction[..., Any]]:
        """Each function ready to be called in a database.

        Args:
            tables: How the database numbers its tables.
            nesting: Levels of lists and dicts that an argument or result may have.
        """
        return {
            function: self.compile_function(function, tables, nesting=nesting)
            for function in self.functions.values()
        }

    def compile_function(
        self, function: AnyFunction, tables: TableNumbers, *, nesting: int = 64
    ) -> CompiledFunction[..., Any]:
        """One function ready to be called; one that no module publishes is read from scratch.

        Raises:
            DeclarationError: It is none of this application's, and its annotations cannot be
                stored.
        """
        path = self.path_of(function)
        if path is None:
            contract = read_contract(function, function.path, self._table_name)
        else:
            contract = self.contracts[path]
        return CompiledFunction(function, contract, tables, nesting=nesting)

    def _table_name(self, owner: Any) -> str | None:
        table = owner if owner in self.tables.values() else self.table_of(owner)
        return None if table is None else table.table_name


def collect(
    modules: Iterable[ModuleType | str], *, default_access: DefaultAccess = "allow"
) -> Application:
    """The application that modules declare.

    Args:
        modules: Modules, or dotted names, which are imported. A package stands for itself and
            those of its submodules that have been imported. Functions count in the module that
            defines them; tables count where they are imported, too, and so does every table that
            an id in an annotation refers to.
        default_access: What public functions may do with tables that have no rules.

    Raises:
        DeclarationError: Two functions, tables or migrations have one name, two routes answer the
            same requests, two tables have one document type, two projections make one table or each
            other's, two modules have rules for one table, or an
            annotation cannot be stored.
    """
    return collect_found(modules_of(modules), default_access)


def collect_found(
    found: Iterable[tuple[ModuleType, str]], default_access: DefaultAccess
) -> Application:
    """The same for what `modules_of` has found."""
    collector = _Collector()
    for module, path in found:
        collector.add_module(module, path)
    return collector.finish(default_access)


class _Collector:
    def __init__(self) -> None:
        self.modules: dict[str, None] = {}
        self.declared: dict[tuple[str, str], AnyFunction] = {}
        self.tables: dict[str, AnyTable] = {}
        self.by_document: dict[int, AnyTable] = {}
        self.projections: dict[str, Projection] = {}
        self.routes: dict[Route, None] = {}
        self.rules: dict[str, AccessRules] = {}
        self.queues: dict[str, Queue] = {}
        self.crons: dict[str, CronDeclaration] = {}
        self.migrations: dict[str, Migration[Any]] = {}

    def add_module(self, module: ModuleType, path: str) -> None:
        self.modules[module.__name__] = None
        for name, found in list(vars(module).items()):
            if isinstance(found, Function):
                self.add_function(module, path, name, cast("AnyFunction", found))
            elif isinstance(found, Projection):
                self.add_projection(module, found)
            elif isinstance(found, Route):
                self.add_route(module, path, name, found)
            elif isinstance(found, Collected):
                self.add_collected(module, path, name, found)
            elif is_table(found):
                self.add_table(found)
        for rules in vars(module).get(DECLARED, {}).values():
            self.add_rules(rules)

    def add_function(self, module: ModuleType, path: str, name: str, function: AnyFunction) -> None:
        if _is_imported(module, function.module):
            return
        other = self.declared.setdefault((path, name), function)
        if other is not function:
            raise DeclarationError(
                f"{function_path(path, name)}: declared in {other.module} and in "
                f"{function.module}; rename one of the modules, or open their package"
            )

    def add_collected(self, module: ModuleType, path: str, name: str, found: Collected) -> None:
        match found.collected_as:
            case "crons":
                self.add_crons(cast("Crons", found))
            case "queue":
                self.add_queue(module, cast("Queue", found))
            case "migration":
                self.add_migration(module, path, name, cast("Migration[Any]", found))

    def add_crons(self, crons: "Crons") -> None:
        for declaration in crons.declarations.values():
            other = self.crons.setdefault(declaration.name, declaration)
            if other is not declaration:
                raise DeclarationError(
                    f"cron {declaration.name!r} is declared in {other.module} and in "
                    f"{declaration.module}; give one of them another name"
                )

    def add_migration(
        self, module: ModuleType, path: str, name: str, migration: "Migration[Any]"
    ) -> None:
        if _is_imported(module, migration.module):
            return
        other = self.migrations.setdefault(migration.name, migration)
        if other is not migration:
            raise DeclarationError(
                f"migration {migration.name!r} is declared in {other.module} and in "
                f"{migration.module}; give one of them another name"
            )
        self.add_table(migration.table)
        self.add_function(module, path, name, migration.step)

    def add_projection(self, module: ModuleType, projection: Projection) -> None:
        if _is_imported(module, projection.module):
            return
        other = self.projections.setdefault(projection.name, projection)
        if other is not projection:
            raise DeclarationError(
                f"projection {projection.name!r} is declared in {other.module} and in "
                f"{projection.module}; give one of them another name"
            )
        for table in projection.tables:
            self.add_table(table)

    def add_route(self, module: ModuleType, path: str, name: str, route: Route) -> None:
        if _is_imported(module, route.module):
            return
        self.routes[route] = None
        if route.published is not None:
            self.add_function(module, path, name, route.published)

    def add_rules(self, rules: AccessRules) -> None:
        table = rules.table
        other = self.rules.setdefault(table.table_name, rules)
        if other is not rules:
            raise DeclarationError(
                f"the rules of table {table.table_name!r} are declared in {other.module} and in "
                f"{rules.module}; keep one of them"
            )
        if not table.table_name.startswith("_"):
            self.add_table(table)

    def add_queue(self, module: ModuleType, queue: "Queue") -> None:
        other = self.queues.setdefault(queue.name, queue)
        if other is not queue:
            raise DeclarationError(
                f"queue {queue.name!r} is declared twice, the second time in {module.__name__}; "
                "import it from the other module, or give it another name"
            )

    def add_table(self, table: AnyTable) -> None:
        other = self.tables.setdefault(table.table_name, table)
        if other is not table:
            raise DeclarationError(
                f"table {table.table_name!r} is declared twice, as {_class_name(other)} and as "
                f"{_class_name(table)}; rename one of them, or import it from the other module"
            )
        owner = self.by_document.setdefault(id(table.document_type), table)
        if owner is not table:
            raise DeclarationError(
                f"{table.document_type.__name__} is the document type of two tables, "
                f"{owner.table_name!r} and {table.table_name!r}; an id could not tell them apart: "
                f"declare a document type for each"
            )

    def table_name(self, owner: Any) -> str | None:
        """Finds the table of an annotation, and takes it in if no module has shown it yet."""
        table = owner if is_table(owner) else self.by_document.get(id(owner)) or table_of(owner)
        if table is None:
            return None
        self.add_table(table)
        return table.table_name

    def finish(self, default_access: DefaultAccess) -> Application:
        paths = PathTable(self.declared)
        functions = {function_path(m, name): found for (m, name), found in self.declared.items()}
        contracts = {
            path: read_contract(function, path, self.table_name)
            for path, function in functions.items()
        }
        documents = dict(self._documents())
        references = {
            name: definitions_of(table.document_type, documents[name], where=f"table {name!r}")
            for name, table in self.tables.items()
        }
        _refuse_projected(self.projections.values(), references)
        return Application(
            functions=MappingProxyType(functions),
            contracts=MappingProxyType(contracts),
            tables=MappingProxyType(self.tables),
            documents=MappingProxyType(documents),
            schemas=MappingProxyType({name: to_json(one) for name, one in documents.items()}),
            references=MappingProxyType(references),
            projections=MappingProxyType(in_order(self.projections)),
            crons=MappingProxyType(self.crons),
            routes=RouteTable(self.routes),
            access=Access(MappingProxyType(self.rules), default_access),
            queues=MappingProxyType(self.queues),
            migrations=MappingProxyType(dict(_series(self.migrations))),
            modules=tuple(self.modules),
            _paths=paths,
            _path_by_function=MappingProxyType(
                {function: path for path, function in reversed(functions.items())}
            ),
        )

    def _documents(self) -> Iterator[tuple[str, ObjectValidator]]:
        """Reads document types until none of them refers to a table that was not read."""
        done: set[str] = set()
        while waiting := [table for name, table in self.tables.items() if name not in done]:
            for table in waiting:
                name = table.table_name
                validator = document_validator(
                    table.document_type,
                    where=f"table {name!r}",
                    table_name_of=self.table_name,
                )
                for index in table.indexes.values():
                    _check_index(name, index, validator)
                done.add(name)
                yield name, validator


def _series(
    declared: "Mapping[str, Migration[Any]]",
) -> "Iterator[tuple[str, Migration[Any]]]":
    """Migrations, each behind those that it comes after."""
    waiting, done = dict(declared), set[str]()
    while waiting:
        for name, migration in list(waiting.items()):
            for other in migration.after:
                if declared.get(other.name) is not other:
                    raise DeclarationError(
                        f"migration {name!r} comes after {other.name!r}, which is in no module "
                        f"that this database was opened with; add {other.module}"
                    )
            if all(other.name in done for other in migration.after):
                done.add(name)
                yield name, waiting.pop(name)


def _refuse_projected(
    projections: Iterable[Projection], references: Mapping[str, tuple[ReferenceDefinition, ...]]
) -> None:
    """Refuse references from and to tables that are made anew, with other ids, from the log."""
    makers = {table.table_name: one.name for one in projections for table in one.into}
    for name, definitions in references.items():
        for definition in definitions:
            made = next((table for table in (name, definition.table) if table in makers), None)
            if made is not None:
                raise DeclarationError(
                    f"table {name!r}, field {definition.field!r}: hw.references, and table "
                    f"{made!r} is made by the projection {makers[made]!r} from other tables; "
                    "declare a plain Id"
                )


def _is_imported(module: ModuleType, defined_in: str) -> bool:
    """Whether a module has something from another one."""
    # A module that was put together by hand defines nothing itself: all it has is its own.
    is_real = sys.modules.get(module.__name__) is module
    return is_real and defined_in != module.__name__


def _check_index(table: str, index: TableIndex[Any], document: ObjectValidator) -> None:
    """An index on a field that no document can have is a typing error, not a wish."""
    for path in index.fields:
        inner: Validator = document
        for name in path.split("."):
            if isinstance(inner, RefinedValidator):
                inner = inner.base
            if not isinstance(inner, ObjectValidator):
                break
            problem = name_problem([name], known=inner.fields, required=(), noun="field")
            if problem:
                raise DeclarationError(f"table {table!r}, index {index.name!r}: {problem}")
            inner = inner.fields[name].validator


def modules_of(modules: Iterable[ModuleType | str]) -> Iterator[tuple[ModuleType, str]]:
    """Modules that were given, imported, and what is to be collected with them; with their paths.

    Raises:
        DeclarationError: Something else was given.
    """
    if isinstance(modules, ModuleType | str):
        shown = getattr(modules, "__name__", modules)
        raise DeclarationError(f"modules: expected a list of modules, as in modules=[{shown}]")
    for given in modules:
        module = importlib.import_module(given) if isinstance(given, str) else given
        if not inspect.ismodule(module):
            raise DeclarationError(
                f"modules: expected modules or their dotted names, got {module!r}"
            )
        yield module, module_path(module.__name__)
        if hasattr(module, "__path__"):
            prefix = f"{module.__name__}."
            for name in sorted([name for name in sys.modules if name.startswith(prefix)]):
                inner = sys.modules[name]
                if inspect.ismodule(inner):
                    yield inner, module_path(name, module.__name__)


def _class_name(table: AnyTable) -> str:
    return f"{table.__module__}.{table.__qualname__}"
