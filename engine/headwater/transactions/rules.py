"""The checks that documents of declared tables have to pass, by table name."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

TableRules: TypeAlias = Mapping[str, Callable[[Mapping[str, Any]], None]]
