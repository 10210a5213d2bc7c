"""Names for what a script mentions: modules, functions, results, and the ids inside of them."""

import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from headwater.functions.declaration import Function
from headwater_indexes.values import MISSING, Int64

_RESERVED = {"hw", "testing", "contextlib", "db", "clients", "snapshot"}
_LOCAL = "<"
"""In the qualified name of what is defined inside a function."""


class Names:
    """Names that are taken in one script, and the imports that it needs."""

    def __init__(self, modules: tuple[ModuleType, ...]) -> None:
        self.imports: dict[str, None] = {}
        self.notes: list[str] = []
        self._taken = set(_RESERVED)
        self._modules = {id(module): self._import(module) for module in modules}
        self._functions = [(module, self._modules[id(module)]) for module in modules]

    def fresh(self, wanted: str) -> str:
        """A name like the wanted one that is not taken."""
        base = re.sub(r"\W", "_", wanted).strip("_") or "value"
        base = f"value_{base}" if base[0].isdigit() or keyword.iskeyword(base) else base
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name

    def module(self, module: ModuleType) -> str:
        """The name of a module of the application."""
        return self._modules[id(module)]

    def function(self, function: Function[..., Any]) -> str:
        """A function of one of the modules: ``bank.withdraw``."""
        for module, alias in self._functions:
            for name, found in vars(module).items():
                if found is function:
                    return f"{alias}.{name}"
        return function.name

    def plain(self, function: Callable[..., Any]) -> str:
        """A function of the test itself, such as an invariant; imported where that is possible."""
        name = getattr(function, "__name__", type(function).__name__)
        qualified = getattr(function, "__qualname__", name)
        module = getattr(function, "__module__", "")
        if _LOCAL in qualified or not name.isidentifier() or module in ("", "__main__"):
            found = name if name.isidentifier() else "invariant"
            self.notes.append(f"# {found} is {qualified} of {module}")
            return found
        if name in self._taken and f"from {module} import {name}" not in self.imports:
            alias = self.fresh(name)
            self.imports[f"from {module} import {name} as {alias}"] = None
            return alias
        self._taken.add(name)
        self.imports[f"from {module} import {name}"] = None
        return name

    def _import(self, module: ModuleType) -> str:
        package, _, name = module.__name__.rpartition(".")
        alias = self.fresh(name)
        source = f"from {package} import {name}" if package else f"import {name}"
        self.imports[source if alias == name else f"{source} as {alias}"] = None
        return alias


def members(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside a value, with how to get to it from the value."""
    kind: type = value.__class__
    if issubclass(kind, str):
        yield value, path
    elif issubclass(kind, dict):
        for name, member in value.items():
            yield from members(member, f"{path}[{_text(name)}]")
    elif issubclass(kind, list | tuple):
        for at, member in enumerate(value):
            yield from members(member, f"{path}[{at}]")


def expression(value: Any, known: Mapping[str, str]) -> str:
    """A value as Python code; ids that are known are taken from where they came from."""
    kind: type = value.__class__
    if issubclass(kind, str) and value in known:
        return known[value]
    if issubclass(kind, dict):
        pairs = [f"{expression(k, known)}: {expression(v, known)}" for k, v in value.items()]
        return "{" + ", ".join(pairs) + "}"
    if issubclass(kind, list):
        return f"[{', '.join(expression(member, known) for member in value)}]"
    if issubclass(kind, Int64):
        return f"hw.Int64({int(value)})"
    if issubclass(kind, float) and repr(value) in ("nan", "inf", "-inf"):
        return f'float("{value}")'
    return "hw.MISSING" if value is MISSING else _text(value)


def _text(value: Any) -> str:
    """Texts in double quotes, where these need no escape."""
    shown = repr(value)
    if isinstance(value, str) and shown[0] == "'" and '"' not in shown and "\\" not in shown:
        return f'"{value}"'
    return shown
