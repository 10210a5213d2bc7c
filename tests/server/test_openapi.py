"""The description of the HTTP API: it is true, and the server keeps to it."""

import json
import math
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks as openapi_checks
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.schema.validator_strategies import fitting, validators
from tests.server import served
from tests.server.asgi import ask

import headwater as hw
from headwater import testing
from headwater.functions.http_messages import read_json
from headwater.schema import v
from headwater.schema.validators import Length, Pattern, Range
from headwater.server.json_schema import schema_of
from headwater.server.wire_values import to_wire

CHECKS = [
    schemathesis.checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


def in_json(value: Any) -> Any:
    return read_json(json.dumps(value, allow_nan=False).encode())


def is_plain(value: Any) -> bool:
    """Whether each number of a value can be sent as a number of JSON."""
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    if isinstance(value, list):
        return all(map(is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value) and not (value == 0 and math.copysign(1, value) < 0)
    return not isinstance(value, int) or isinstance(value, hw.Int64) or abs(value) <= 2**53


@given(st.data())
def test_what_fits_a_type_fits_its_schema(data: st.DataObject) -> None:
    validator = data.draw(validators)
    value = data.draw(fitting(validator))
    result = jsonschema_rs.validator_for(schema_of(validator, "result"))
    assert result.is_valid(in_json(to_wire(value, "clean")))
    assume(is_plain(value))
    argument = jsonschema_rs.validator_for(schema_of(validator, "argument"))
    assert argument.is_valid(in_json(to_wire(value)))


MISFITS = [
    (v.integer(), 1.5),
    (v.integer(), "1"),
    (v.string(), 1),
    (v.boolean(), None),
    (v.int64(), 1),
    (v.bytes(), "AA=="),
    (v.list(v.string()), ["a", 1]),
    (v.object({"a": v.string()}), {"a": "x", "b": 1}),
    (v.object({"a": v.string()}), {}),
    (v.record(v.string(), v.integer()), {"a": "x"}),
    (v.union(v.literal("a"), v.null()), "b"),
    (v.refined(v.integer(), Range(ge=0, lt=10)), 10),
    (v.refined(v.number(), Range(gt=0, le=10)), 0),
    (v.refined(v.string(), Length(1, 3)), ""),
    (v.refined(v.list(v.any()), Length(1)), []),
    (v.refined(v.string(), Pattern("[a-c]*")), "abcd"),
]


@pytest.mark.parametrize(("validator", "value"), MISFITS, ids=repr)
def test_what_does_not_fit_a_type_does_not_fit_its_schema(validator: Any, value: Any) -> None:
    schema = schema_of(validator, "argument")
    assert not jsonschema_rs.validator_for(schema).is_valid(value)


def test_what_a_schema_cannot_say_is_described() -> None:
    validator = v.refined(v.string(), Pattern(r"(?i)\w+"), Length(1))
    assert schema_of(validator, "argument") == {
        "type": "string",
        "minLength": 1,
        "description": r"matching '(?i)\\w+'",
    }


def described(db: hw.Database, **options: Any) -> Any:
    response = ask(db.asgi(api=True, **options), "GET", "/api/openapi.json")
    return response.json() if response.status_code == 200 else None


def test_it_is_there_for_developers_and_for_whom_it_is_asked() -> None:
    with testing.database(served) as db:
        assert described(db) is None
        assert described(db, dev=True, openapi=False) is None
        assert described(db, dev=True) == described(db, openapi=True)


def test_it_has_every_public_function_and_no_other() -> None:
    with testing.database(served) as db:
        paths = described(db, openapi=True)["paths"]
        assert "/api/run/served/writeNote" in paths
        assert "secret" not in json.dumps(paths)
        body = paths["/api/run/served/kinds"]["post"]["requestBody"]["content"]
        arguments = body["application/json"]["schema"]["properties"]["args"]
        assert "newName" in arguments["properties"]
        assert "required" not in arguments
        written = paths["/api/run/served/writeNote"]["post"]["requestBody"]["content"]
        assert written["application/json"]["schema"]["required"] == ["args"]


def test_it_says_where_the_server_is() -> None:
    with testing.database(served) as db:
        app = db.asgi(api=True, openapi=True)
        mounted = Starlette(routes=[Mount("/hw", app=app)])
        assert ask(app, "GET", "/api/openapi.json").json()["servers"] == [{"url": "/"}]
        described = ask(mounted, "GET", "/hw/api/openapi.json").json()
        assert described["servers"] == [{"url": "/hw"}]
        body = {"args": {}}
        assert ask(mounted, "POST", "/hw/api/run/served/list", json=body).status_code == 200


def test_the_server_keeps_to_its_description() -> None:
    with testing.database(served) as db:
        app = db.asgi(api=True, dev=True)
        schema = schemathesis.openapi.from_asgi("/api/openapi.json", app)
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) >= 15
        for operation in operations:
            _keep(operation)
        assert db.query(served.default) == "the default one"


def _keep(operation: Any) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy())
    def run(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    run()
