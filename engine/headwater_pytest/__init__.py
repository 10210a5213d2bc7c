"""The pytest plugin: throw-away databases as fixtures, and seeds that failures name.

A package of its own, beside ``headwater``: pytest imports its plugins at every start, and this one
costs nothing as long as no test asks for a fixture. What it does is in `headwater.testing`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import ModuleType

    from headwater.testing import ManualClock, ThrowAwayDatabase

_OPTION = "headwater_seed"
_MARKER = (
    "headwater(modules=[...], seed=...): the modules and the seed of this test's headwater_database"
)
_MARKER_OPTIONS = {"modules", "seed"}
_ENVIRONMENT = "HEADWATER_SEED"
"""Where state machines, which no fixture knows of, find the seed of the run."""

_RUN_SEED = pytest.StashKey[int]()
_SEED = pytest.StashKey[int]()
_IS_MARKED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--headwater-seed``."""
    parser.getgroup("headwater").addoption(
        "--headwater-seed",
        dest=_OPTION,
        metavar="SEED",
        default="0",
        help="seed of the databases of tests: a number, or 'random' for another one at every run",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Adds the marker, and settles the seed of the run."""
    config.addinivalue_line("markers", _MARKER)
    given = str(config.getoption(_OPTION))
    if given == "random":
        config.stash[_RUN_SEED] = _drawn_seed(config)
    elif given.removeprefix("-").isdecimal():
        config.stash[_RUN_SEED] = int(given)
    else:
        raise pytest.UsageError(f"--headwater-seed: expected a number or 'random', got {given!r}")
    before = os.environ.get(_ENVIRONMENT)
    os.environ[_ENVIRONMENT] = str(config.stash[_RUN_SEED])
    config.add_cleanup(lambda: _restore(before))


def _restore(seed: str | None) -> None:
    if seed is None:
        os.environ.pop(_ENVIRONMENT, None)
    else:
        os.environ[_ENVIRONMENT] = seed


def _drawn_seed(config: pytest.Config) -> int:
    """A new seed; in a worker of xdist, the one that the controller drew."""
    import secrets

    told: dict[str, Any] = getattr(config, "workerinput", {})
    return int(told.get(_OPTION, secrets.randbits(32)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of xdist the seed of the run."""
    node.workerinput[_OPTION] = node.config.stash[_RUN_SEED]


@pytest.fixture
def headwater_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test: that of its marker, or of ``--headwater-seed``; 0 by default."""
    marked = _marked(request).get("seed")
    seed: int = request.config.stash[_RUN_SEED] if marked is None else marked
    request.node.stash[_SEED] = seed
    request.node.stash[_IS_MARKED] = marked is not None
    return seed


@pytest.fixture
def headwater_modules() -> Sequence[ModuleType | str]:
    """The modules of `headwater_database`: none. Override it in your ``conftest.py``."""
    return ()


@pytest.fixture
def headwater_clock(headwater_seed: int) -> ManualClock:
    """The clock of this test, which stands still until it is moved."""
    from headwater.testing import ManualClock

    return ManualClock(seed=headwater_seed)


@pytest.fixture
def headwater_database(
    request: pytest.FixtureRequest,
    headwater_clock: ManualClock,
    headwater_modules: Sequence[ModuleType | str],
) -> Generator[ThrowAwayDatabase]:
    """A throw-away database with the modules of the application."""
    from headwater.testing import database

    modules = _marked(request).get("modules", headwater_modules)
    with database(*modules, clock=headwater_clock) as db:
        yield db


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, pytest.TestReport]:
    """Names the seed where a test has failed."""
    report: pytest.TestReport = yield
    seed = item.stash.get(_SEED, None)
    if report.failed and seed is not None:
        advice = "said by its marker" if item.stash[_IS_MARKED] else f"--headwater-seed={seed}"
        report.sections.append(("headwater", f"The seed of this test was {seed}: {advice}"))
    return report


def _marked(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the closest marker of a test says."""
    marker = request.node.get_closest_marker("headwater")
    if marker is None:
        return {}
    if marker.args or not marker.kwargs.keys() <= _MARKER_OPTIONS:
        raise pytest.UsageError(
            f"{request.node.nodeid}: @pytest.mark.headwater takes modules= and seed=, "
            f"got {marker.args!r} and {marker.kwargs!r}"
        )
    return dict(marker.kwargs)
