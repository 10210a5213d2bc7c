"""A database with channels and messages, and its dashboard."""

from collections.abc import Generator

import pytest
from tests.dashboard import application
from tests.dashboard.asking import Dashboard

import headwater as hw
from headwater import testing


@pytest.fixture
def db() -> Generator[hw.Database]:
    with testing.database(application) as db:
        yield db


@pytest.fixture
def general(db: hw.Database) -> str:
    """The id of a channel with three messages."""
    channel = db.mutate(application.create_channel, name="general")
    for stars, author in enumerate(["Ada", "Grace", "Linus"]):
        db.mutate(
            application.send, channel=channel, author=author, body=f"from {author}", stars=stars
        )
    return channel


@pytest.fixture
def dashboard(db: hw.Database) -> Dashboard:
    return Dashboard(db)
