"""The kinds of functions."""

from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["query", "mutation", "action"]
A_KIND: Final[dict[Kind, str]] = {
    "query": "a query",
    "mutation": "a mutation",
    "action": "an action",
}
"""With its article, for messages."""
