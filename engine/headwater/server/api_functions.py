"""The endpoints of the HTTP API that call functions."""

import asyncio
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, NamedTuple, cast

from starlette.routing import BaseRoute

from headwater.errors import LimitExceededError, RequestInvalidError
from headwater.functions.http_messages import Response, read_json
from headwater.functions.kinds import Kind
from headwater.schema.explain import is_dict, is_list
from headwater.server.api import Answer, ApiRequest, Entrance, answer_json
from headwater.server.client_calls import (
    READ_AT_ONCE_BYTES,
    ClientCall,
    ClientCalls,
    Failure,
    Success,
)
from headwater.server.recent import check_recent, newest_timestamp
from headwater.server.refusals import RefusalError
from headwater.server.wire_values import (
    FORMATS,
    WireFormat,
    timestamp_from_wire,
    timestamp_to_wire,
    to_wire,
)

_WRITTEN_AT_ONCE: Final = 500
"""Values inside one another; writing so many takes less than handing them to a thread."""
_CHARACTERS_OF_A_VALUE: Final = 100


class FunctionEndpoints:
    """Calls functions.

    Args:
        entrance: Of the API.
        calls: Runs what is asked for.
    """

    def __init__(self, entrance: Entrance, calls: ClientCalls) -> None:
        self._entrance = entrance
        self._calls = calls
        self._store = entrance.backend.runner.store

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        route = self._entrance.route
        return [
            route("/api/query", POST=self._of_kind("query"), GET=self._get_query),
            route("/api/mutation", POST=self._of_kind("mutation")),
            route("/api/action", POST=self._of_kind("action")),
            route("/api/query_ts", is_for_all=True, POST=self._timestamp),
            route("/api/query_at_ts", POST=self._query_at),
            route("/api/query_batch", POST=self._batch),
            route("/api/function", POST=self._any_function),
            route("/api/run/{path:path}", POST=self._run_path),
        ]

    def _of_kind(self, kind: Kind) -> Answer:
        async def answer(request: ApiRequest) -> Response:
            asked = await _read(request)
            return await self._run(request, asked.call(kind), asked.form)

        return answer

    async def _get_query(self, request: ApiRequest) -> Response:
        given = dict(request.incoming.query)
        fields: dict[str, Any] = {name: given[name] for name in ("path", "format") if name in given}
        if "args" in given:
            fields["args"] = read_json(given["args"].encode("utf-8", "surrogatepass"))
        asked = _Asked(fields)
        return await self._run(request, asked.call("query"), asked.form)

    async def _any_function(self, request: ApiRequest) -> Response:
        if not request.caller.is_admin:
            raise RefusalError(
                HTTPStatus.FORBIDDEN, "Forbidden", "only administrators call functions here"
            )
        asked = await _read(request)
        return await self._run(request, asked.call(None), asked.form)

    async def _run_path(self, request: ApiRequest) -> Response:
        asked = await _read(request)
        path = request.names["path"]
        if ":" not in path:
            path = ":".join(path.rsplit("/", 1))
        return await self._run(request, asked.call(None, path), asked.form)

    async def _run(self, request: ApiRequest, call: ClientCall, form: WireFormat) -> Response:
        outcome = await self._calls.run(call, request.caller, request.request_id)
        return await answer_json(lambda: _written(outcome, form), is_large=_is_large(outcome))

    # -- several queries of one moment ----------------------------------------------------------

    async def _timestamp(self, _: ApiRequest) -> Response:
        ts = newest_timestamp(self._store)
        return await answer_json(lambda: {"ts": timestamp_to_wire(ts)}, is_large=False)

    async def _query_at(self, request: ApiRequest) -> Response:
        asked = await _read(request)
        at = timestamp_from_wire(asked.fields.get("ts"))
        call, form = asked.call("query"), asked.form
        await asyncio.to_thread(check_recent, self._store, at)
        (outcome,) = await self._calls.run_queries(
            [call], request.caller, request.request_id, at=at
        )
        return await answer_json(lambda: _written(outcome, form))

    async def _batch(self, request: ApiRequest) -> Response:
        queries = (await _read(request)).fields.get("queries")
        if not is_list(queries):
            raise RequestInvalidError("queries: expected a list of queries")
        self._check_count(len(queries))
        asked = [_asked(one) for one in queries]
        forms: list[WireFormat] = [one.form for one in asked]
        outcomes = await self._calls.run_queries(
            [one.call("query") for one in asked], request.caller, request.request_id
        )

        def results() -> list[Any]:
            return [_written(one, form) for one, form in zip(outcomes, forms, strict=True)]

        return await answer_json(lambda: {"results": results()})

    def _check_count(self, count: int) -> None:
        maximum = self._store.limits.api_queries
        if count > maximum:
            raise LimitExceededError(
                f"the request has {count:,} queries, the limit api_queries is {maximum:,}",
                limit="api_queries",
                value=count,
                maximum=maximum,
            )


class _Asked(NamedTuple):
    """What a request asks for.

    Attributes:
        fields: Of the object that it sends.
        size: Bytes that they came in.
    """

    fields: dict[str, Any]
    size: int = 0

    def call(self, kind: Kind | None, path: str | None = None) -> ClientCall:
        """The function and its arguments.

        Raises:
            RequestInvalidError: There is no path.
        """
        named: object = self.fields.get("path") if path is None else path
        if not isinstance(named, str):
            raise RequestInvalidError("path: expected that of a function, such as 'chat:send'")
        return ClientCall(named, self.fields.get("args", {}), kind, self.size)

    @property
    def form(self) -> WireFormat:
        """The format of the answer.

        Raises:
            RequestInvalidError: There is none of that name.
        """
        name = self.fields.get("format") or "json"
        if not isinstance(name, str) or name not in FORMATS:
            raise RequestInvalidError(f"format: expected one of {', '.join(FORMATS)}")
        return FORMATS[name]


async def _read(request: ApiRequest) -> _Asked:
    kind = request.incoming.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        # Which a page of another origin cannot send without asking the server first.
        raise RefusalError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "expected the header Content-Type: application/json",
        )
    data = await request.incoming.body.read()
    is_large = len(data) > READ_AT_ONCE_BYTES
    return _asked(
        await asyncio.to_thread(read_json, data) if is_large else read_json(data), len(data)
    )


def _asked(data: Any, size: int = 0) -> _Asked:
    if not isinstance(data, dict):
        raise RequestInvalidError("expected an object of JSON with path and args")
    return _Asked(cast("dict[str, Any]", data), size)


def _written(outcome: Success | Failure, form: WireFormat) -> dict[str, Any]:
    """What a client of Convex is told; a failure has status 200, because that of PyPI wants it."""
    facts: dict[str, Any] = {"status": "success", "logLines": outcome.lines}
    if isinstance(outcome, Success):
        return facts | {"value": to_wire(outcome.value, form)}
    facts |= {"status": "error", "errorMessage": outcome.message}
    return facts | {"errorData": to_wire(outcome.data, form)} if outcome.has_data else facts


def _is_large(outcome: Success | Failure) -> bool:
    """Whether an outcome takes so long to write that the event loop should go on meanwhile."""
    waiting: list[Any] = [outcome.value if isinstance(outcome, Success) else outcome.data]
    left = _WRITTEN_AT_ONCE
    while waiting and left > 0:
        value = waiting.pop()
        left -= 1
        if isinstance(value, str | bytes):
            left -= len(value) // _CHARACTERS_OF_A_VALUE
        elif is_list(value) or is_dict(value):
            # Of a long one no more is looked at than decides.
            waiting += islice(value.values() if is_dict(value) else value, left)
    return left <= 0
