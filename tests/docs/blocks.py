"""Runs the Python of a Markdown page.

The rules that the pages follow:

- Blocks of one page share a namespace and a directory of their own.
- A block that begins with a comment like ``# chat.py`` is that module; other blocks import it.
- A ``text`` block right behind a Python block is what it prints; ``...`` stands for anything.
- A block that ends with a comment like ``# raises KeyError: what it says`` fails so.
- ``await`` may be used at the top level.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import re
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import headwater as hw

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)
_MODULE = re.compile(r"# (\w+)\.py\n")
_RAISES = re.compile(r"\n# raises (\w+)(?:: ((?:.|\n# )*))?\n*\Z")


class PageError(AssertionError):
    """A block does not do what its page says."""


@dataclass
class Block:
    """One fenced block; ``line`` is that of its first line of code in the page."""

    language: str
    code: str
    line: int
    output: str | None = None


@dataclass
class Page:
    """A page and the namespace that its blocks share."""

    name: str
    text: str
    modules: dict[str, types.ModuleType] = field(default_factory=dict)

    def blocks(self) -> list[Block]:
        """The fenced blocks in order; what a Python block prints is kept with it."""
        blocks: list[Block] = []
        end = 0
        for match in _FENCE.finditer(self.text):
            language = match[2].strip()
            line = self.text.count("\n", 0, match.start(3)) + 1
            is_next = not self.text[end : match.start()].strip()
            if language == "text" and is_next and blocks and blocks[-1].language == "python":
                blocks[-1].output = match[3]
            blocks.append(Block(language, match[3], line))
            end = match.end()
        return blocks

    def run(self) -> int:
        """Run the Python blocks; how many there were."""
        blocks = [block for block in self.blocks() if block.language == "python"]
        try:
            for block in blocks:
                self._run(block)
        finally:
            self._clean()
        return len(blocks)

    def _run(self, block: Block) -> None:
        where = f"{self.name}:{block.line}"
        expected = _RAISES.search(block.code)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                self._execute(block)
        except Exception as error:
            if expected is None:
                raise PageError(f"{where}: {type(error).__name__}: {error}") from error
            if type(error).__name__ != expected[1]:
                raise PageError(f"{where}: expected {expected[1]}, got {error!r}") from error
            said = (expected[2] or "...").replace("\n# ", " ")
            compare(said, str(error), where)
        else:
            if expected is not None:
                raise PageError(f"{where}: expected {expected[1]}, and nothing was raised")
        if block.output is not None:
            compare(block.output, printed.getvalue(), where)

    def _execute(self, block: Block) -> None:
        named = _MODULE.match(block.code)
        module = self._module(named[1] if named else "__page__")
        # The lines before the block are blank, so that a traceback names those of the page.
        source = "\n" * (block.line - 1) + block.code
        code = compile(source, self.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, module.__dict__)
        if inspect.iscoroutine(result):
            asyncio.run(result)

    def _module(self, name: str) -> types.ModuleType:
        module = self.modules.get(name)
        if module is None:
            module = self.modules[name] = types.ModuleType(name)
            sys.modules[name] = module
        return module

    def _clean(self) -> None:
        """Close what the page left open and forget its modules."""
        for name, module in self.modules.items():
            for found in list(vars(module).values()):
                if isinstance(found, hw.Live | hw.Database):
                    found.close()
            sys.modules.pop(name, None)


def compare(expected: str, found: str, where: str) -> None:
    """Whether two texts are the same but for what an ellipsis stands for.

    Raises:
        PageError: They are not.
    """
    # Word by word; how a page breaks its lines does not matter.
    pattern = r"\s+".join(
        ".*?".join(map(re.escape, word.split("..."))) for word in expected.split()
    )
    if re.fullmatch(pattern, found.strip(), re.DOTALL) is None:
        raise PageError(f"{where}: expected\n{expected}\ngot\n{found}")


def pages() -> list[Path]:
    """Every page for readers."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def named(path: Path) -> str:
    """A page's path for messages and test ids."""
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> Page:
    """A page from its file."""
    return Page(named(path), path.read_text(encoding="utf-8"))
