"""Every bound, with its unit and its reason.

The bounds are generous: they are there so that a mistake ends with a message instead of with a
machine that swaps. Each can be changed per database: ``hw.open(path, limits=Limits(...))``.
"""

from dataclasses import dataclass
from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one document, function or transaction may take.

    Attributes:
        document_bytes: One document as stored. Larger things belong into files.
        nesting: Levels of lists and dicts inside one value; also keeps recursion bounded.
        documents_read: Documents that one transaction may read.
        bytes_read: Bytes of documents that one transaction may read.
        documents_written: Documents that one transaction may write; they are held in memory.
        bytes_written: Bytes of documents that one transaction may write.
        intervals_read: Ranges and points that one transaction may depend on.
        query_seconds: Run time of one query.
        mutation_seconds: Run time of one attempt of one mutation.
        action_seconds: Run time of one action, unless it is declared with another.
        actions_concurrent: Actions that run at the same time; others wait for their turn.
        http_body_bytes: Body of one request over HTTP; counted as it comes.
        http_body_seconds: Time that the body of one request may take to come.
        webhook_body_bytes: Body of one webhook.
        api_body_bytes: Body of one request to the HTTP API: arguments, and what is around them.
        api_queries: Queries in one request to ``/api/query_batch``.
        query_at_seconds: How long ago the state may have been replaced that clients ask about.
        webhook_events_seconds: Age at which a webhook's event is forgotten; delivered again later,
            it has its effect again.
        client_connections: Clients that are connected at the same time.
        client_queries: Queries that one connected client watches.
        client_requests: Mutations and actions of one connected client that wait to be answered;
            what it sends beyond that is read later.
        client_message_bytes: One message of a connected client.
        client_requests_seconds: Age at which a client's mutation is forgotten; sent again later, it
            has its effect again.
        sign_in_attempts: Wrong admin tokens that are taken from one address in a minute;
            then that address is refused until the minute has passed.
        jobs_concurrent: Scheduled actions that run at the same time in one process.
        scheduled_functions: Functions that one mutation may schedule.
        scheduled_argument_bytes: Arguments of one scheduled function.
        scheduled_bytes: Arguments of all functions that one mutation schedules.
        call_depth: Functions that call functions.
        transaction_seconds: Age of an explicit transaction at its commit.
        snapshot_seconds: Age of a snapshot; an old one keeps the file from reusing space.
        snapshot_warning_seconds: Age at which an open snapshot is told of in the program's log.
        optimistic_attempts: Runs of a mutation that lost to other commits before it goes in turn.
        batch_transactions: Transactions that share one flush.
        cache_bytes: Results kept for queries that are asked again.
        recent_commits: Commits whose keys are kept in memory for conflict checks.
        recent_documents: Documents whose keys are kept for them; those of the newest commit are
            kept in any case.
        log_lines: Lines that one run of a function may log; the rest is left out.
        log_line_bytes: Of one such line, as UTF-8; a longer one is cut.
        log_bytes: Memory for the lines of all calls that are kept; the oldest are forgotten.
        calls_kept: Calls of functions that ``db.calls`` remembers.
        cascade_documents: Documents that a transaction deletes or changes because of references to
            what it deletes; those beyond follow in transactions of as many.
        backfill_documents: Documents per step when an index or a projection is filled.
        file_bytes: One stored file. It is streamed, so what bounds it is the disk.
        upload_seconds: Time that an upload of a file over HTTP may take to come.
        url_seconds: How long a signed URL of a stored file may be good for.
    """

    document_bytes: int = 8 * MIB
    nesting: int = 64
    documents_read: int = 1_000_000
    bytes_read: int = 1 * GIB
    documents_written: int = 100_000
    bytes_written: int = 256 * MIB
    intervals_read: int = 1_000_000
    query_seconds: float = 30.0
    mutation_seconds: float = 10.0
    action_seconds: float = 600.0
    actions_concurrent: int = 64
    http_body_bytes: int = 20 * MIB
    http_body_seconds: float = 120.0
    webhook_body_bytes: int = 4 * MIB
    api_body_bytes: int = 16 * MIB + 2000
    api_queries: int = 100
    query_at_seconds: float = 30.0
    webhook_events_seconds: float = 30 * 24 * 3600.0
    client_connections: int = 10_000
    client_queries: int = 1000
    client_requests: int = 256
    client_message_bytes: int = 16 * MIB
    client_requests_seconds: float = 24 * 3600.0
    sign_in_attempts: int = 10
    jobs_concurrent: int = 16
    scheduled_functions: int = 1000
    scheduled_argument_bytes: int = 4 * MIB
    scheduled_bytes: int = 16 * MIB
    call_depth: int = 32
    transaction_seconds: float = 60.0
    snapshot_seconds: float = 60.0
    snapshot_warning_seconds: float = 30.0
    optimistic_attempts: int = 3
    batch_transactions: int = 512
    cache_bytes: int = 64 * MIB
    recent_commits: int = 4096
    recent_documents: int = 50_000
    log_lines: int = 256
    log_line_bytes: int = 4 * KIB
    log_bytes: int = 8 * MIB
    calls_kept: int = 1000
    cascade_documents: int = 1000
    backfill_documents: int = 2000
    file_bytes: int = 64 * GIB
    upload_seconds: float = 3600.0
    url_seconds: float = 7 * 24 * 3600.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            is_time = name.endswith("_seconds")
            kinds = (int, float) if is_time else (int,)
            if type(value) not in kinds or not value > 0:
                expected = "seconds" if is_time else "a whole number"
                raise ValueError(f"Limits({name}={value!r}): expected {expected} above 0")


DEFAULT_LIMITS: Final = Limits()
