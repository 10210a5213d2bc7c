"""What this floor raises, as one tree.

::

    IndexesError
    ├── NotStorableError     (TypeError)   a Python value that is no value
    ├── MalformedIdError     (ValueError)  a string that is no id
    ├── MalformedKeyError    (ValueError)  bytes that no encoder has written
    ├── DefinitionError      (ValueError)  an index that cannot be declared so
    └── RangeError           (ValueError)  bounds that no range can have

The engine translates them into its own tree, where a table or a function can be named.
"""


class IndexesError(Exception):
    """Root of the tree."""


class NotStorableError(IndexesError, TypeError):
    """A Python value that is not a value of the database.

    Attributes:
        path: Where it is, such as ``messages[3].sent_at``; empty if it is the whole value.
        reason: What it is and what to store instead.
    """

    def __init__(self, path: str, reason: str) -> None:
        # Both go to Exception.__init__, so that the error survives pickling.
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class MalformedIdError(IndexesError, ValueError):
    """A string that is not the one spelling of an id."""


class MalformedKeyError(IndexesError, ValueError):
    """Bytes that the key encoder cannot have written."""


class DefinitionError(IndexesError, ValueError):
    """An index whose name or fields cannot be declared so."""


class RangeError(IndexesError, ValueError):
    """A number outside its bounds, or bounds that a range of this index cannot have."""
