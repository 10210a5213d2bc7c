"""The code of every page runs, and the runner would notice if it did not."""

import pytest
from tests.docs.blocks import Page, PageError, named, pages, read


@pytest.mark.parametrize("path", pages(), ids=named)
def test_the_code_of_a_page_does_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read(path).run()


def test_the_readme_and_the_tutorial_have_code():
    by_name = {named(path): read(path) for path in pages()}
    for name in ("README.md", "docs/tutorial.md", "docs/transactions.md", "docs/live-queries.md"):
        assert sum(block.language == "python" for block in by_name[name].blocks()) >= 5


WRONG = {
    "an error that is not announced": "```python\n1 / 0\n```\n",
    "another error than announced": "```python\n1 / 0\n# raises KeyError\n```\n",
    "an announced error that does not come": "```python\n1\n# raises KeyError\n```\n",
    "an error that says something else": "```python\n1 / 0\n# raises ZeroDivisionError: no\n```\n",
    "other output": "```python\nprint(1)\n```\n\n```text\n2\n```\n",
    "a module that does not compile": "```python\n# a.py\ndef\n```\n",
    "an await that fails": "```python\nasync def f(): 1 / 0\nawait f()\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_the_runner_notices(text):
    with pytest.raises(PageError, match=r"page\.md:2"):
        Page("page.md", text).run()


RIGHT = {
    "shared names": "```python\nx = 1\n```\n\n```python\nassert x == 1\n```\n",
    "a module": "```python\n# other.py\ny = 2\n```\n```python\nfrom other import y\n```\n",
    "output": "```python\nprint('a 1 b')\n```\n\n```text\na ... b\n```\n",
    "text after prose is no output": "```python\nprint(1)\n```\nSo:\n```text\n2\n```\n",
    "an error": "```python\n1 / 0\n# raises ZeroDivisionError: division\n# by ...\n```\n",
    "await": "```python\nimport asyncio\nawait asyncio.sleep(0)\n```\n",
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_the_runner_accepts(text):
    assert Page("page.md", text).run() >= 1
