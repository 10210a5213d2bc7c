"""The open database: all its verbs in one class."""

from headwater.verbs.audit import AuditVerbs
from headwater.verbs.by_hand import ManualVerbs
from headwater.verbs.care import CareVerbs
from headwater.verbs.exchange import ExchangeVerbs
from headwater.verbs.identifying import IdentifyingVerbs
from headwater.verbs.jobs import JobVerbs
from headwater.verbs.measures import MeasuringVerbs
from headwater.verbs.migrations import MigrationVerbs
from headwater.verbs.observing import ObservingVerbs
from headwater.verbs.past import PastVerbs
from headwater.verbs.serving import ServingVerbs
from headwater.verbs.sessions import SessionVerbs
from headwater.verbs.storage import StorageVerbs
from headwater.verbs.stream import StreamVerbs
from headwater.verbs.undo import UndoVerbs
from headwater.verbs.upkeep import UpkeepVerbs


class Database(
    IdentifyingVerbs,
    ManualVerbs,
    PastVerbs,
    CareVerbs,
    AuditVerbs,
    StreamVerbs,
    StorageVerbs,
    UndoVerbs,
    UpkeepVerbs,
    MeasuringVerbs,
    ObservingVerbs,
    ExchangeVerbs,
    ServingVerbs,
    SessionVerbs,
    JobVerbs,
    MigrationVerbs,
):
    """An open database. Made by `open`; safe to use from any thread.

    Attributes:
        path: The directory.
    """
