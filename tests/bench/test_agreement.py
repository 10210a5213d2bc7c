import json
from statistics import mean

import pytest
from bench.adapters import catalog
from bench.adapters.catalog import ENGINES
from bench.adapters.sqlite_json import SqliteJson
from bench.agree import Disagreement, check_agreement
from bench.documents import json_size, make_document, make_documents
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_a_document_is_the_same_every_time_and_survives_json(number, total):
    document = make_document(number, total)
    assert make_document(number, total) == document
    assert json.loads(json.dumps(document)) == document


def test_documents_take_about_300_bytes():
    assert 280 <= mean(json_size(fields) for fields in make_documents(0, 500, 10_000)) <= 330


def test_all_engines_give_the_same_answers(tmp_path):
    check_agreement(ENGINES, tmp_path, count=60)


@pytest.mark.parametrize("name", catalog.OPTIONAL)
def test_an_optional_engine_gives_the_same_answers(tmp_path, name):
    cast = catalog.cast_of(["sqlite-json", name])
    if cast.missing:
        pytest.skip(cast.missing[0])
    check_agreement(cast.engines, tmp_path, count=40)


class Forgetful(SqliteJson):
    name = "forgetful"

    def patch(self, key, changes):
        super().patch(key, {name: changes[name] for name in changes if name != "rating"})


class Unordered(SqliteJson):
    name = "unordered"

    def latest(self, channel, count):
        return super().latest(channel, count)[::-1]


class Racing(SqliteJson):
    name = "racing"

    def write_by_threads(self, verb, shares):
        if verb != "bump":
            return super().write_by_threads(verb, shares)
        # Two writers that meet: both read before either writes.
        for calls in zip(*shares, strict=True):
            found = [self.get(key) for (key,) in calls]
            for (key,), before in zip(calls, found, strict=True):
                self.patch(key, {"score": before["score"] + 1})
        return 0


@pytest.mark.parametrize(
    ("wrong", "question"),
    [
        (Forgetful, "about document"),
        (Unordered, "about the newest 20"),
        (Racing, "about how much was added"),
    ],
)
def test_an_engine_that_answers_wrongly_is_named_with_the_question(tmp_path, wrong, question):
    with pytest.raises(Disagreement, match=f"sqlite-json and {wrong.name} disagree {question}"):
        check_agreement({"sqlite-json": SqliteJson, wrong.name: wrong}, tmp_path, count=60)
