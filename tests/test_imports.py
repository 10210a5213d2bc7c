"""``import headwater`` brings nothing that a program may never need."""

import subprocess
import sys

import pytest

SLOW_OR_UNASKED = [
    "argon2",
    "asyncio",
    "cryptography",
    "ctypes",
    "headwater.aio",
    "headwater.client.client",
    "headwater.functions.accounts",
    "headwater.functions.crons",
    "headwater.functions.files",
    "headwater.functions.http_messages",
    "headwater.functions.insights",
    "headwater.functions.jobs",
    "headwater.functions.retry",
    "headwater.functions.scheduling",
    "headwater.server.protocol",
    "headwater.services.rate_limits",
    "headwater.services.session_options",
    "headwater.services.sessions",
    "headwater.services.tokens",
    "headwater.services.webhooks",
    "headwater.testing",
    "headwater.tables.rebuild",
    "headwater.tables.verify",
    "hypothesis",
    "jwt",
    "logging",
    "multiprocessing",
    "numpy",
    "rich",
    "secrets",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "unittest",
    "websockets",
]


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a new interpreter has after a statement."""
    # Without site: what its .pth files import, such as coverage, is nobody's choice here.
    program = f"import sys; sys.path[:] = {sys.path!r}; {statement}; print(*sys.modules)"
    child = [sys.executable, "-S", "-c", program]
    return set(subprocess.run(child, check=True, capture_output=True, text=True).stdout.split())


@pytest.fixture(scope="module")
def imported() -> set[str]:
    return modules_after("import headwater")


@pytest.mark.parametrize("module", SLOW_OR_UNASKED)
def test_importing_headwater_does_not_import(module: str, imported: set[str]) -> None:
    assert module not in imported


def test_the_child_did_import_headwater(imported: set[str]) -> None:
    assert {"headwater", "headwater.database", "headwater_indexes.keys"} <= imported


def test_every_public_name_is_there_when_it_is_asked_for() -> None:
    import headwater

    assert {name for name in headwater.__all__ if not hasattr(headwater, name)} == set()
    assert set(headwater.__all__) <= set(dir(headwater))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = headwater.nothing


def test_the_verbs_for_asyncio_do_import_it() -> None:
    assert "asyncio" in modules_after("import headwater.aio")


def test_testing_imports_hypothesis_once_a_strategy_is_asked_for() -> None:
    assert "hypothesis" not in modules_after("import headwater.testing")
    assert "hypothesis" in modules_after("from headwater.testing import documents")


def test_the_pytest_plugin_imports_no_engine() -> None:
    assert not {"headwater", "lmdb", "hypothesis"} & modules_after("import headwater_pytest")
