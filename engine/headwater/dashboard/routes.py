"""The dashboard put together: its page, and the API below it."""

from typing import Final

from starlette.routing import BaseRoute

from headwater.aio import AsyncVerbs
from headwater.dashboard.admission import Admission
from headwater.dashboard.answering import awaiting, doing, reading, telling
from headwater.dashboard.documents import Documents
from headwater.dashboard.functions import Functions
from headwater.dashboard.jobs import JobWork
from headwater.dashboard.live import Following, LiveEndpoint
from headwater.dashboard.log import LogPages
from headwater.dashboard.log_facts import TouchedQueries
from headwater.dashboard.measures import Measures
from headwater.dashboard.pages import page_routes
from headwater.dashboard.stored_files import StoredFileWork
from headwater.dashboard.tables import Tables
from headwater.server.api import Answer, Entrance
from headwater.server.attempts import attempts_of
from headwater.server.authentication import Authentication
from headwater.server.protocol import Backend, ServerOptions

_API: Final = "/_dashboard/api"


def dashboard_routes(backend: Backend, aio: AsyncVerbs, options: ServerOptions) -> list[BaseRoute]:
    """What answers below ``/_dashboard``: the page to everybody, the API to administrators.

    Args:
        backend: The database.
        aio: Its verbs.
        options: With the admin token.

    Raises:
        ArgumentError: The admin token is no secret.
    """
    authentication = Authentication(None, options.admin_token, attempts_of(backend))
    admission = Admission(authentication)
    entrance = Entrance(backend, authentication, is_dev=options.is_dev)

    live = LiveEndpoint(backend, admission, _following(backend, aio), is_dev=options.is_dev)
    # Who asks is looked at by the admission, which counts those who guess.
    reads = [
        entrance.route(f"{_API}/{path}", is_for_all=True, GET=admission.guarded(answer))
        for path, answer in _reading(backend, aio).items()
    ]
    changes = [
        entrance.route(f"{_API}/{path}", is_for_all=True, POST=admission.guarded(answer))
        for path, answer in _changing(backend, aio).items()
    ]
    return [*reads, *changes, live.route(f"{_API}/live"), *page_routes(backend)]


def _reading(backend: Backend, aio: AsyncVerbs) -> dict[str, Answer]:
    runner, reactor = backend.runner, backend.reactor
    tables, documents = Tables(runner.store), Documents(runner.store)
    log = LogPages(runner.store, reactor, TouchedQueries(runner, reactor))
    functions, measures = Functions(runner, reactor, aio), Measures(runner, reactor)
    return {
        "overview": reading(measures.overview),
        "insights": reading(measures.insights),
        "calls": reading(measures.calls),
        "tables": reading(tables.list),
        "rows": reading(tables.rows),
        "document": reading(documents.get),
        "history": reading(documents.history),
        "functions": reading(functions.list),
        "log": reading(log.page),
        "commit": reading(log.commit),
        "timeline": reading(log.timeline),
        "step": reading(log.step),
        "queues": reading(JobWork(runner).queues),
        "file": telling(StoredFileWork(aio).content),
    }


def _following(backend: Backend, aio: AsyncVerbs) -> dict[str, Following]:
    runner, reactor = backend.runner, backend.reactor
    log = LogPages(runner.store, reactor, TouchedQueries(runner, reactor))
    return {"log": log.follow, "query": Functions(runner, reactor, aio).watch}


def _changing(backend: Backend, aio: AsyncVerbs) -> dict[str, Answer]:
    runner = backend.runner
    documents, jobs = Documents(runner.store), JobWork(runner)
    return {
        "insert": doing(documents.insert),
        "replace": doing(documents.replace),
        "delete": doing(documents.delete),
        "undo": doing(documents.undo),
        "restore": doing(documents.restore),
        "run": awaiting(Functions(runner, backend.reactor, aio).run),
        "jobs/change": doing(jobs.change_jobs),
        "queues/change": doing(jobs.change_queue),
        "scheduled/cancel": doing(jobs.cancel_scheduled),
        "crons/delete": doing(jobs.delete_cron),
        "file/delete": awaiting(StoredFileWork(aio).delete),
    }
