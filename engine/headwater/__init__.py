"""Headwater: an embedded, event-sourced, reactive document database.

``import headwater as hw``, declare tables and functions, `open` a directory, and call them::

    db = hw.open("chat.hw", modules=[chat])
    db.mutate(chat.send, channel=general, author="Ada", body="hi")
    for messages in db.watch(chat.latest, channel=general):
        ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from headwater._version import __version__
from headwater.clock import Clock, SystemClock
from headwater.database import Database
from headwater.errors import (
    ActionCanceledError,
    AlreadyOpenError,
    AlreadyThereError,
    ApplicationError,
    ArgumentError,
    ClientGoneError,
    ClosedError,
    CodeRefusedError,
    ConfigurationMissingError,
    ConflictError,
    CorruptionError,
    DanglingReferenceError,
    DatabaseFullError,
    DeclarationError,
    DiskError,
    DocumentInvalidError,
    DocumentNotFoundError,
    ForkedError,
    FunctionInternalError,
    FunctionKindError,
    FunctionNotFoundError,
    HeadwaterError,
    ImportRefusedError,
    ImpureFunctionError,
    IndexBuildingError,
    IndexNotFoundError,
    IndexRangeError,
    InvalidCursorError,
    InvalidIdError,
    LimitExceededError,
    LogTrimmedError,
    MigrationFailedError,
    NewerFormatError,
    NonRetryableError,
    NotADatabaseError,
    NotReplayableError,
    NotSignedInError,
    NotUniqueError,
    PermissionDeniedError,
    ProjectionTableError,
    RangeRefusedError,
    RateLimitedError,
    ReadOnlyError,
    ReferencedError,
    RemoteCallError,
    RequestInvalidError,
    ReturnValueError,
    SchemaMismatchError,
    ServerGoneError,
    SignatureInvalidError,
    SignInRefusedError,
    SignUpRefusedError,
    SnapshotTooOldError,
    StorageError,
    TimeLimitError,
    TokenInvalidError,
    TokenKeysUnavailableError,
    UndoConflictError,
    UniqueViolationError,
    UploadRefusedError,
    UrlRefusedError,
    UsageError,
    ValueNotStorableError,
    WriteInQueryError,
)
from headwater.functions.access import AccessRules, rules
from headwater.functions.action_contexts import ActionCtx, SyncActionCtx
from headwater.functions.actions import action
from headwater.functions.bound_calls import BoundCall
from headwater.functions.call_log import CallLog, CallRecord, FunctionLog, LogLine
from headwater.functions.context_services import Configuration
from headwater.functions.contexts import MutationCtx, QueryCtx
from headwater.functions.declaration import Action, BoundQuery, Mutation, Query
from headwater.functions.decorators import mutation, query
from headwater.functions.identity import Identity, acting_as
from headwater.functions.projections import Projection, ProjectionState, projection
from headwater.functions.requirements import require, require_identity
from headwater.functions.running_action import RunningAction
from headwater.functions.snapshots import OpenSnapshot
from headwater.functions.statistics import ConflictPlace
from headwater.limits import Limits
from headwater.opening import open
from headwater.reactive.live import Live
from headwater.reactive.log_tail import LogTail
from headwater.schema import v
from headwater.schema.annotations import Wire
from headwater.schema.references import Reference, references
from headwater.schema.tables import Document, DocumentOf, Id, Index, Table, TableIndex
from headwater.schema.validators import Check, Length, Pattern, Range
from headwater.storage.commit_log import Origin, RecordedCall
from headwater.tables.log_entries import Change, LogEntry
from headwater.tables.measuring import IndexStatistics, LogStatistics, TableStatistics
from headwater.tables.problems import Problem
from headwater.tables.progress import Progress
from headwater.tables.reports import (
    CompactReport,
    DocumentChange,
    Lost,
    ProjectionStatus,
    RebuildReport,
    RepairReport,
    Revision,
    TrimReport,
)
from headwater.transactions.explicit import OpenTransaction
from headwater.transactions.origins import origin
from headwater.transactions.pagination import PaginationOptions, PaginationResult
from headwater.transactions.query import TableQuery
from headwater.transactions.reader import Reader
from headwater.transactions.writer import Writer
from headwater.verbs.calling import Caller
from headwater.verbs.measures import DatabaseStatistics, FileStatistics
from headwater.verbs.stream import Log
from headwater_indexes.values import MISSING, Int64

if TYPE_CHECKING:
    from headwater.client.client import AsyncClient, Client
    from headwater.client.connecting import connect
    from headwater.exchange.reports import ExportReport, ImportReport
    from headwater.functions.accounts import (
        Account,
        Accounts,
        AccountSession,
        AccountSessions,
        SessionTokens,
        SignInMethod,
    )
    from headwater.functions.code_delivery import CodeDelivery, CodeMessage, CodePurpose
    from headwater.functions.cron_schedules import CronSchedule, IntervalSchedule
    from headwater.functions.crons import (
        AsyncCronRegistry,
        CronRegistry,
        CronRun,
        CronRuns,
        Crons,
        RegisteredCron,
        RegisteredCrons,
    )
    from headwater.functions.files import (
        ActionFiles,
        AsyncActionFiles,
        AsyncFileContent,
        DeletedFile,
        DeletedFiles,
        FileContent,
        FileReader,
        FileWriter,
        StorageAccess,
        StorageAccesses,
        StoredFile,
        StoredFiles,
        UploadUrl,
        UploadUrls,
    )
    from headwater.functions.http_actions import HttpAction, http_action
    from headwater.functions.http_fields import Headers, QueryParameters
    from headwater.functions.http_messages import Request, Response, SyncRequest
    from headwater.functions.insights import (
        ConflictInsight,
        FunctionInsight,
        Insights,
        LimitInsight,
    )
    from headwater.functions.job_client import JobClient
    from headwater.functions.job_client_async import AsyncJobClient
    from headwater.functions.job_declaration import job
    from headwater.functions.job_options import Queue
    from headwater.functions.jobs import (
        BatchResult,
        Job,
        JobBatch,
        JobBatches,
        JobCanceled,
        JobError,
        JobFailure,
        JobProgress,
        JobResult,
        Jobs,
        JobState,
        JobSuccess,
        Queues,
        QueueSetting,
    )
    from headwater.functions.middleware import custom
    from headwater.functions.migrations import Migration, MigrationRun, Migrations, migration
    from headwater.functions.replaying import Replayed
    from headwater.functions.retry import Retry
    from headwater.functions.scheduling import (
        AsyncScheduler,
        ScheduledFunction,
        ScheduledFunctions,
        ScheduledState,
        Scheduler,
    )
    from headwater.functions.session_client import SessionClient, WhichSessions
    from headwater.functions.session_client_async import AsyncSessionClient
    from headwater.repairing import check, repair
    from headwater.restoring import restore_backup
    from headwater.services import webhooks
    from headwater.services.migrating import MigrationChange, MigrationClient, MigrationPreview
    from headwater.services.migrating_async import AsyncMigrationClient
    from headwater.services.rate_limits import (
        RateLimit,
        RateLimitKey,
        RateLimitLevel,
        RateLimitResult,
        RateLimits,
    )
    from headwater.services.session_options import PasswordHashing, Sessions, SessionThrottling
    from headwater.services.tokens import TokenAlgorithm, TokenProvider, VerifiedToken
    from headwater.services.webhook_endpoints import Webhook, webhook
    from headwater.services.webhook_events import WebhookEvent, WebhookEvents, WebhookRecord
    from headwater.transactions.cascades import Cascade, Cascades
    from headwater.transactions.followed_query import FollowedQuery

__all__ = [
    "MISSING",
    "AccessRules",
    "Account",
    "AccountSession",
    "AccountSessions",
    "Accounts",
    "Action",
    "ActionCanceledError",
    "ActionCtx",
    "ActionFiles",
    "AlreadyOpenError",
    "AlreadyThereError",
    "ApplicationError",
    "ArgumentError",
    "AsyncActionFiles",
    "AsyncClient",
    "AsyncCronRegistry",
    "AsyncFileContent",
    "AsyncJobClient",
    "AsyncMigrationClient",
    "AsyncScheduler",
    "AsyncSessionClient",
    "BatchResult",
    "BoundCall",
    "BoundQuery",
    "CallLog",
    "CallRecord",
    "Caller",
    "Cascade",
    "Cascades",
    "Change",
    "Check",
    "Client",
    "ClientGoneError",
    "Clock",
    "ClosedError",
    "CodeDelivery",
    "CodeMessage",
    "CodePurpose",
    "CodeRefusedError",
    "CompactReport",
    "Configuration",
    "ConfigurationMissingError",
    "ConflictError",
    "ConflictInsight",
    "ConflictPlace",
    "CorruptionError",
    "CronRegistry",
    "CronRun",
    "CronRuns",
    "CronSchedule",
    "Crons",
    "DanglingReferenceError",
    "Database",
    "DatabaseFullError",
    "DatabaseStatistics",
    "DeclarationError",
    "DeletedFile",
    "DeletedFiles",
    "DiskError",
    "Document",
    "DocumentChange",
    "DocumentInvalidError",
    "DocumentNotFoundError",
    "DocumentOf",
    "ExportReport",
    "FileContent",
    "FileReader",
    "FileStatistics",
    "FileWriter",
    "FollowedQuery",
    "ForkedError",
    "FunctionInsight",
    "FunctionInternalError",
    "FunctionKindError",
    "FunctionLog",
    "FunctionNotFoundError",
    "Headers",
    "HeadwaterError",
    "HttpAction",
    "Id",
    "Identity",
    "ImportRefusedError",
    "ImportReport",
    "ImpureFunctionError",
    "Index",
    "IndexBuildingError",
    "IndexNotFoundError",
    "IndexRangeError",
    "IndexStatistics",
    "Insights",
    "Int64",
    "IntervalSchedule",
    "InvalidCursorError",
    "InvalidIdError",
    "Job",
    "JobBatch",
    "JobBatches",
    "JobCanceled",
    "JobClient",
    "JobError",
    "JobFailure",
    "JobProgress",
    "JobResult",
    "JobState",
    "JobSuccess",
    "Jobs",
    "Length",
    "LimitExceededError",
    "LimitInsight",
    "Limits",
    "Live",
    "Log",
    "LogEntry",
    "LogLine",
    "LogStatistics",
    "LogTail",
    "LogTrimmedError",
    "Lost",
    "Migration",
    "MigrationChange",
    "MigrationClient",
    "MigrationFailedError",
    "MigrationPreview",
    "MigrationRun",
    "Migrations",
    "Mutation",
    "MutationCtx",
    "NewerFormatError",
    "NonRetryableError",
    "NotADatabaseError",
    "NotReplayableError",
    "NotSignedInError",
    "NotUniqueError",
    "OpenSnapshot",
    "OpenTransaction",
    "Origin",
    "PaginationOptions",
    "PaginationResult",
    "PasswordHashing",
    "Pattern",
    "PermissionDeniedError",
    "Problem",
    "Progress",
    "Projection",
    "ProjectionState",
    "ProjectionStatus",
    "ProjectionTableError",
    "Query",
    "QueryCtx",
    "QueryParameters",
    "Queue",
    "QueueSetting",
    "Queues",
    "Range",
    "RangeRefusedError",
    "RateLimit",
    "RateLimitKey",
    "RateLimitLevel",
    "RateLimitResult",
    "RateLimitedError",
    "RateLimits",
    "ReadOnlyError",
    "Reader",
    "RebuildReport",
    "RecordedCall",
    "Reference",
    "ReferencedError",
    "RegisteredCron",
    "RegisteredCrons",
    "RemoteCallError",
    "RepairReport",
    "Replayed",
    "Request",
    "RequestInvalidError",
    "Response",
    "Retry",
    "ReturnValueError",
    "Revision",
    "RunningAction",
    "ScheduledFunction",
    "ScheduledFunctions",
    "ScheduledState",
    "Scheduler",
    "SchemaMismatchError",
    "ServerGoneError",
    "SessionClient",
    "SessionThrottling",
    "SessionTokens",
    "Sessions",
    "SignInMethod",
    "SignInRefusedError",
    "SignUpRefusedError",
    "SignatureInvalidError",
    "SnapshotTooOldError",
    "StorageAccess",
    "StorageAccesses",
    "StorageError",
    "StoredFile",
    "StoredFiles",
    "SyncActionCtx",
    "SyncRequest",
    "SystemClock",
    "Table",
    "TableIndex",
    "TableQuery",
    "TableStatistics",
    "TimeLimitError",
    "TokenAlgorithm",
    "TokenInvalidError",
    "TokenKeysUnavailableError",
    "TokenProvider",
    "TrimReport",
    "UndoConflictError",
    "UniqueViolationError",
    "UploadRefusedError",
    "UploadUrl",
    "UploadUrls",
    "UrlRefusedError",
    "UsageError",
    "ValueNotStorableError",
    "VerifiedToken",
    "Webhook",
    "WebhookEvent",
    "WebhookEvents",
    "WebhookRecord",
    "WhichSessions",
    "Wire",
    "WriteInQueryError",
    "Writer",
    "__version__",
    "acting_as",
    "action",
    "check",
    "connect",
    "custom",
    "http_action",
    "job",
    "migration",
    "mutation",
    "open",
    "origin",
    "projection",
    "query",
    "references",
    "repair",
    "require",
    "require_identity",
    "restore_backup",
    "rules",
    "v",
    "webhook",
    "webhooks",
]

_LATER = {
    "headwater.repairing": "check repair",
    "headwater.restoring": "restore_backup",
    "headwater.exchange.reports": "ExportReport ImportReport",
    "headwater.functions.replaying": "Replayed",
    "headwater.transactions.cascades": "Cascade Cascades",
    "headwater.transactions.followed_query": "FollowedQuery",
    "headwater.client.client": "AsyncClient Client",
    "headwater.client.connecting": "connect",
    "headwater.functions.accounts": """
        Account AccountSession AccountSessions Accounts SessionTokens SignInMethod
    """,
    "headwater.functions.code_delivery": "CodeDelivery CodeMessage CodePurpose",
    "headwater.functions.session_client": "SessionClient WhichSessions",
    "headwater.functions.session_client_async": "AsyncSessionClient",
    "headwater.services.session_options": "PasswordHashing SessionThrottling Sessions",
    "headwater.functions.insights": """
        ConflictInsight FunctionInsight Insights LimitInsight
    """,
    "headwater.functions.cron_schedules": "CronSchedule IntervalSchedule",
    "headwater.functions.crons": """
        AsyncCronRegistry CronRegistry CronRun CronRuns Crons RegisteredCron RegisteredCrons
    """,
    "headwater.functions.files": """
        ActionFiles AsyncActionFiles AsyncFileContent DeletedFile DeletedFiles FileContent
        FileReader FileWriter StorageAccess StorageAccesses StoredFile StoredFiles
        UploadUrl UploadUrls
    """,
    "headwater.functions.http_actions": "HttpAction http_action",
    "headwater.functions.http_fields": "Headers QueryParameters",
    "headwater.functions.http_messages": "Request Response SyncRequest",
    "headwater.functions.job_client": "JobClient",
    "headwater.functions.job_client_async": "AsyncJobClient",
    "headwater.functions.job_declaration": "job",
    "headwater.functions.job_options": "Queue",
    "headwater.functions.jobs": """
        BatchResult Job JobBatch JobBatches JobCanceled JobError JobFailure JobProgress
        JobResult JobState JobSuccess Jobs QueueSetting Queues
    """,
    "headwater.functions.middleware": "custom",
    "headwater.functions.migrations": "Migration MigrationRun Migrations migration",
    "headwater.functions.retry": "Retry",
    "headwater.functions.scheduling": """
        AsyncScheduler ScheduledFunction ScheduledFunctions ScheduledState Scheduler
    """,
    "headwater.services.migrating": "MigrationChange MigrationClient MigrationPreview",
    "headwater.services.migrating_async": "AsyncMigrationClient",
    "headwater.services.rate_limits": """
        RateLimit RateLimitKey RateLimitLevel RateLimitResult RateLimits
    """,
    "headwater.services.tokens": "TokenAlgorithm TokenProvider VerifiedToken",
    "headwater.services.webhook_endpoints": "Webhook webhook",
    "headwater.services.webhook_events": "WebhookEvent WebhookEvents WebhookRecord",
    "headwater.services.webhooks": "webhooks",
}
"""Names that most programs use few of, by their module: imported when one is asked for."""

_MODULES = {name: module for module, names in _LATER.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """A name of a service, from now on a name like any other."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = import_module(module)
    value = found if name == "webhooks" else getattr(found, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
