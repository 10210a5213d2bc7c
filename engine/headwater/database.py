"""The open database: all its verbs in one class."""

from headwater.verbs.audit import AuditVerbs
from headwater.verbs.by_hand import ManualVerbs
from headwater.verbs.care import CareVerbs
from headwater.verbs.functions import FunctionVerbs
from headwater.verbs.past import PastVerbs
from headwater.verbs.stream import StreamVerbs


class Database(FunctionVerbs, ManualVerbs, PastVerbs, CareVerbs, AuditVerbs, StreamVerbs):
    """An open database. Made by `open`; safe to use from any thread.

    Attributes:
        path: The directory.
    """
