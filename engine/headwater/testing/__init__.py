"""What users need to test their own functions: ``from headwater import testing``.

Throw-away databases with time and randomness set by hand, and, with the extra
``headwater[testing]``, Hypothesis strategies for documents and arguments.
"""

from headwater.testing.clock import ManualClock
from headwater.testing.database import ThrowAwayDatabase, database
from headwater.testing.interleaving import Client, Clients, Pending

__all__ = ["Client", "Clients", "ManualClock", "Pending", "ThrowAwayDatabase", "database"]
