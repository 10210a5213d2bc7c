"""The description of the HTTP API that it serves itself, as OpenAPI 3.1."""

from functools import cached_property
from typing import Any, Final

from starlette.routing import BaseRoute

from headwater._version import __version__
from headwater.functions.arguments import Contract
from headwater.functions.declaration import Function
from headwater.functions.http_messages import Response
from headwater.functions.kinds import A_KIND
from headwater.server.api import ApiRequest, Entrance, answer_json
from headwater.server.json_schema import Schema, object_schema, schema_of
from headwater.server.wire_values import FORMATS

PATH: Final = "/api/openapi.json"

_FORMAT: Final[Schema] = {"type": "string", "enum": [*FORMATS], "default": "json"}
_ARGUMENTS: Final[Schema] = {
    "description": "An object, or a list of one object.",
    "anyOf": [
        {"type": "object"},
        {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1},
    ],
}
_TIMESTAMP: Final[Schema] = {"type": "string", "minLength": 12, "maxLength": 12}
_FAILURE: Final[Schema] = {
    "type": "object",
    "properties": {
        "status": {"const": "error"},
        "errorMessage": {"type": "string"},
        "errorData": {"description": "What the application says; there only if it says something."},
        "logLines": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["status", "errorMessage"],
}
_REFUSAL: Final[Schema] = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}


class OpenApi:
    """Describes the public functions of an application, and the endpoints.

    Args:
        entrance: Of the API.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._application = entrance.backend.runner.application

    def routes(self) -> list[BaseRoute]:
        """The one that tells it."""

        async def answer(request: ApiRequest) -> Response:
            servers = [{"url": request.incoming.root_path or "/"}]
            return await answer_json(lambda: {**self.description, "servers": servers})

        return [self._entrance.route(PATH, is_for_all=True, GET=answer)]

    @cached_property
    def description(self) -> dict[str, Any]:
        """All of it but where the server is."""
        paths = _endpoints()
        for path, function in sorted(self._application.functions.items()):
            if not function.is_internal:
                address = f"/api/run/{path.replace(':', '/')}"
                contract = self._application.contracts[path]
                paths[address] = {"post": _function(path, function, contract)}
        return {
            "openapi": "3.1.0",
            "info": {"title": "Headwater", "version": __version__},
            "paths": paths,
            "components": {
                "schemas": {"Failure": _FAILURE, "Refusal": _REFUSAL, "Outcome": _outcome({})},
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer"},
                    "administrator": {
                        "type": "apiKey",
                        "in": "header",
                        "name": "Authorization",
                        "description": "Convex <admin token>",
                    },
                },
            },
            "security": [{}, {"token": []}, {"administrator": []}],
        }


def _function(path: str, function: Function[..., Any], contract: Contract) -> dict[str, Any]:
    arguments = object_schema(contract.wire_arguments, "argument")
    body: Schema = {
        "type": "object",
        "properties": {"args": arguments, "format": {"const": "json"}},
        "required": ["args"] if "required" in arguments else [],
    }
    outcome = _outcome(schema_of(contract.result, "result"))
    described = {
        "operationId": path,
        "summary": f"{path}, {A_KIND[function.kind]}",
        "tags": [path.partition(":")[0]],
        **_operation(body, outcome),
    }
    return described | {"description": function.doc} if function.doc else described


def _endpoints() -> dict[str, Any]:
    """Those that are the same for every application."""
    named: Schema = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "args": _ARGUMENTS, "format": _FORMAT},
        "required": ["path"],
    }
    moment: Schema = named | {
        "properties": named["properties"] | {"ts": _TIMESTAMP},
        "required": ["path", "ts"],
    }
    batch: Schema = {
        "type": "object",
        "properties": {"queries": {"type": "array", "items": named}},
        "required": ["queries"],
    }
    outcome = {"$ref": "#/components/schemas/Outcome"}
    results = _object({"results": {"type": "array", "items": outcome}})
    operations = {
        "/api/query": ("Run a query by its path.", named, outcome),
        "/api/mutation": ("Run a mutation by its path.", named, outcome),
        "/api/action": ("Run an action by its path.", named, outcome),
        "/api/function": ("Run any function; for administrators.", named, outcome),
        "/api/query_at_ts": ("Run a query at a moment.", moment, outcome),
        "/api/query_batch": ("Run several queries at one moment.", batch, results),
        "/api/query_ts": ("The newest moment.", None, _object({"ts": _TIMESTAMP})),
    }
    return {
        path: {"post": {"summary": summary, "tags": ["endpoints"], **_operation(body, answer)}}
        for path, (summary, body, answer) in operations.items()
    }


def _operation(body: Schema | None, answer: Schema) -> dict[str, Any]:
    refusal = {"$ref": "#/components/schemas/Refusal"}
    described: dict[str, Any] = {
        "responses": {
            "200": {"description": "What it came to.", "content": _json(answer)},
            "default": {"description": "The request was refused.", "content": _json(refusal)},
        },
    }
    if body is None:
        return described
    return {"requestBody": {"required": True, "content": _json(body)}} | described


def _outcome(value: Schema) -> Schema:
    success = _object(
        {
            "status": {"const": "success"},
            "value": value,
            "logLines": {"type": "array", "items": {"type": "string"}},
        }
    )
    return {"anyOf": [success, {"$ref": "#/components/schemas/Failure"}]}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
