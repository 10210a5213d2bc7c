"""Functions that are declared as jobs."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast, overload

from headwater.errors import DeclarationError
from headwater.functions.action_contexts import ActionCtx, SyncActionCtx
from headwater.functions.actions import action
from headwater.functions.declaration import Action, Function, Mutation
from headwater.functions.job_options import JobOptions, check_priority, check_queue_name
from headwater.functions.jobs import DEFAULT_QUEUE
from headwater.functions.retry import Retry, check_retry

P = ParamSpec("P")
R = TypeVar("R")


class JobDecorator(Protocol):
    """What ``@job(...)`` gives."""

    @overload
    def __call__(self, function: Mutation[P, R], /) -> Mutation[P, R]: ...
    @overload
    def __call__(self, function: Action[P, R], /) -> Action[P, R]: ...
    @overload
    def __call__(
        self, handler: Callable[Concatenate[ActionCtx, P], Coroutine[Any, Any, R]], /
    ) -> Action[P, R]: ...
    @overload
    def __call__(self, handler: Callable[Concatenate[SyncActionCtx, P], R], /) -> Action[P, R]: ...


def job(
    *,
    queue: str = DEFAULT_QUEUE,
    priority: int = 0,
    retry: Retry | None = None,
    timeout_seconds: float | None = None,
    internal: bool | None = None,
) -> JobDecorator:
    """Declares a function that is run as a job: ``@hw.job(queue="mail", retry=hw.Retry())``.

    An ``async def`` or ``def`` becomes an action, whose context tells it what job it is. Above
    ``@hw.mutation`` or ``@hw.action`` it adds to what they make: a mutation is run exactly once.
    Any action or mutation can be enqueued; this says where to, and how it is tried again.

    Args:
        queue: Name of the queue.
        priority: From -100 to 100; jobs of the queue with a higher one come first.
        retry: How an attempt that fails is tried again. Without, an action is tried once at most.
        timeout_seconds: How long one attempt of an action may run; ``limits.action_seconds`` by
            default.
        internal: Refuse calls from outside, which enqueue it by a public function instead. By
            default a plain function refuses them, and what ``@hw.mutation`` or ``@hw.action`` made
            does as they say.

    Raises:
        DeclarationError: The options or the function cannot be those of a job.
    """
    check_queue_name(queue, "@job")
    check_priority(priority, "@job")
    check_retry("job", retry)
    options = JobOptions(queue=queue, priority=priority)

    def declare(given: Any) -> Any:
        if not isinstance(given, Function):
            given = action(timeout_seconds=timeout_seconds, internal=internal is not False)(given)
        function = cast("Function[..., Any]", given)
        if isinstance(function, Mutation) and timeout_seconds is not None:
            raise DeclarationError(
                f"@job(timeout_seconds=...) of {function.path}: the time of a mutation is "
                "limits.mutation_seconds"
            )
        if not isinstance(function, Mutation | Action):
            raise DeclarationError(
                f"@job of {function.path}: expected an action or a mutation, got a {function.kind}"
            )
        return type(function)(
            function.handler,
            replace(
                function.options,
                job=options,
                retry=retry or function.options.retry,
                timeout_seconds=timeout_seconds or function.options.timeout_seconds,
                is_internal=bool(internal) or function.options.is_internal,
            ),
        )

    return cast("JobDecorator", declare)
