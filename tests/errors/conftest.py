"""A database with one user and one message, and what an error says."""

from collections.abc import Callable

import pytest
from tests.errors import application

import headwater as hw


@pytest.fixture
def db():
    with hw.open(None, modules=[application]) as opened:
        yield opened


@pytest.fixture
def ada(db):
    return db.mutate(application.create_user, name="Ada")


@pytest.fixture
def message(db, ada):
    return db.mutate(application.send, author=ada, body="hello")


@pytest.fixture
def said():
    """The text of the error that a call raises, which has to be of exactly that class."""

    def text(kind: type[Exception], use: Callable[[], object]) -> str:
        with pytest.raises(kind) as caught:
            use()
        assert type(caught.value) is kind
        return str(caught.value)

    return text
