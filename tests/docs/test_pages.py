"""The pages are complete and agree with the code."""

import inspect
import re

import pytest
from tests.docs.blocks import ROOT, named, pages

import headwater as hw
from headwater import errors, limits, testing

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_ROW = re.compile(r"^\| (`.*) \|$", re.MULTILINE)
_UNITS = {"GiB": limits.GIB, "MiB": limits.MIB, "KiB": limits.KIB, "s": 1}


def prose(path):
    """A page without its code."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path):
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(name):
    """The cells of all table rows of a page that begin with code."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    return [[cell.strip() for cell in row.split(" | ")] for row in _ROW.findall(text)]


@pytest.mark.parametrize("path", pages(), ids=named)
def test_every_relative_link_leads_somewhere(path):
    for link in _LINK.findall(prose(path)):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{named(path)}: {link}"
        assert target.is_relative_to(ROOT), f"{named(path)}: {link}"
        assert not anchor or anchor in anchors(target), f"{named(path)}: {link}"


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "README.md"
    linked = {link.partition("#")[0] for link in _LINK.findall(prose(index))}
    assert {path.name for path in index.parent.glob("*.md")} - {"README.md"} <= linked


def test_every_public_name_is_explained():
    text = "".join(path.read_text(encoding="utf-8") for path in pages())
    words = set(re.findall(r"\w+", text))
    assert set(hw.__all__) - words == set()


def test_every_public_name_of_testing_is_in_the_names_of_its_page():
    listed = {name for row in rows("testing.md") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(testing.__all__) - listed == set()
    assert set(testing.__all__) <= set(dir(testing))


def test_the_public_names_are_all_listed():
    there = {name: getattr(hw, name) for name in dir(hw) if not name.startswith("_")}
    public = {name for name, found in there.items() if not inspect.ismodule(found)}
    public -= {"TYPE_CHECKING", "Any", "import_module"}  # what the module itself needs
    assert public | {"__version__", "v", "webhooks"} == set(hw.__all__)


def error_classes():
    """Every class of the tree."""
    found = [cls for cls in vars(errors).values() if inspect.isclass(cls)]
    return [cls for cls in found if issubclass(cls, hw.HeadwaterError)]


def test_the_errors_page_has_every_error_with_its_code_and_meaning():
    expected = {
        (
            f"`{cls.code}`",
            f"`{cls.__name__}`",
            "".join(f"`{b.__name__}`" for b in cls.__bases__ if b.__module__ == "builtins")
            if cls is not hw.HeadwaterError
            else "",
            cls.__doc__.splitlines()[0].replace("``", "`"),
        )
        for cls in error_classes()
    }
    table = [row for row in rows("errors.md") if len(row) == 5]
    assert {tuple(row[:4]) for row in table} == expected
    assert all(row[4] for row in table)


def test_every_error_is_public_and_has_a_code_of_its_own():
    codes = [cls.code for cls in error_classes()]
    assert len(codes) == len(set(codes))
    assert {cls.__name__ for cls in error_classes()} <= set(hw.__all__)


def test_the_errors_page_has_the_attributes_of_errors():
    documented = {}
    for row in rows("errors.md"):
        if len(row) == 2:
            names = re.findall(r"`(\w+)`", row[1])
            documented |= dict.fromkeys(re.findall(r"`(\w+)`", row[0]), names)
    for cls in error_classes():
        if "__init__" in vars(cls):
            parameters = list(inspect.signature(cls).parameters)
            expected = [name for name in parameters if name != "message"]
            assert documented.pop(cls.__name__) == expected, cls
    assert documented == {"TimeLimitError": documented.get("TimeLimitError")}


def test_the_limits_page_has_every_limit_with_its_default():
    found = {}
    for row in rows("limits.md"):
        number, _, unit = row[1].partition(" ")
        found[row[0].strip("`")] = float(number.replace(",", "")) * _UNITS[unit or "s"]
    defaults = hw.Limits()
    assert found == {name: getattr(defaults, name) for name in hw.Limits.__slots__}


def test_the_commands_that_the_pages_show_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = "".join(path.read_text(encoding="utf-8") for path in pages())
    shown = set(re.findall(r"(?:`|\$ )make (\w+)", text))
    assert {"demo", "test", "bench"} <= shown <= targets
