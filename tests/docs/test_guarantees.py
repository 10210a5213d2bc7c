"""The tests that the pages name are there."""

import re

import pytest
from tests.docs.blocks import ROOT

_PLACE = re.compile(r"`(?:tests/)?([\w/]+\.py|[\w/]+(?=::))(?:::(\w+))?`")


def places(page):
    """Files below tests/ and names of tests in them, as a page says them."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [(file.removesuffix(".py"), name) for file, name in _PLACE.findall(text)]


def names_in(file):
    """Names of the tests of a file."""
    source = (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8")
    return set(re.findall(r"^\s*(?:async )?def (test_\w+)", source, re.MULTILINE))


@pytest.mark.parametrize("page", ["guarantees.md", "trust.md"])
def test_the_tests_that_a_page_names_exist(page):
    found = [place for place in places(page) if place[0].rpartition("/")[2].startswith("test_")]
    assert len(found) > 30
    for file, name in found:
        assert (ROOT / "tests" / f"{file}.py").exists(), f"{page}: {file}"
        assert not name or name in names_in(file), f"{page}: {file}::{name}"


def test_every_guarantee_names_a_test():
    lines = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "held by" not in line]
    assert len(rows) > 30
    for row in rows:
        assert "`tests/" in row, row
