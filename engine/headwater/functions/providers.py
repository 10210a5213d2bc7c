"""Providers of middleware: what runs around a function, and hands it its context."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final, Literal, TypeAlias

from headwater.errors import DeclarationError
from headwater.functions.declaration import Function
from headwater.functions.parameters import (
    NO_DEFAULT,
    AnnotationOf,
    Parameter,
    Signature,
    read_signature,
)
from headwater.functions.paths import handler_path

_Way: TypeAlias = Literal["plain", "generator", "coroutine", "async generator"]

_ASYNC: Final = ("coroutine", "async generator")


class Provider:
    """A provider, and how it is called."""

    def __init__(self, call: Any) -> None:
        self.call: Callable[..., Any] = call
        self.name: str = getattr(call, "__qualname__", repr(call))
        self._check()
        self.way: _Way = _way_of(call)
        self.signature: Signature = read_signature(call, f"the provider {self.name}")
        self.names: tuple[str, ...] = tuple(one.name for one in self.signature.parameters)

    def _check(self) -> None:
        if not inspect.isfunction(self.call):
            raise DeclarationError(
                f"hw.custom: expected a function as the provider, got {self.call!r}"
            )
        inner = inspect.unwrap(self.call)
        if inner is not self.call and _way_of(inner) != _way_of(self.call):
            raise DeclarationError(
                f"the provider {self.name} is wrapped by a decorator that hides its yield; remove "
                "@contextmanager: hw.custom does what it does"
            )

    def declaring(self, decorator: Any) -> Callable[..., Function[..., Any]]:
        """What declares a function inside of the provider, by another decorator."""

        def declare(handler: Any, **options: Any) -> Function[..., Any]:
            wrapped = self.wrap(handler) if inspect.isfunction(handler) else handler
            function: Function[..., Any] = decorator(wrapped, **options)
            return function

        declare.__name__ = self.name
        return declare

    def wrap(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """The handler with the provider around it, and the arguments of both.

        Raises:
            DeclarationError: They have arguments of one name, or only the provider is async.
        """
        path = handler_path(handler)
        both = set(self.names).intersection(
            one.name for one in read_signature(handler, path).parameters
        )
        if both:
            raise DeclarationError(
                f"{path}: {min(both)!r} is an argument of the provider {self.name} already; rename "
                "one of them, or have the provider hand it on in the context"
            )
        is_async = inspect.iscoroutinefunction(handler)
        if self.way in _ASYNC and not is_async:
            raise DeclarationError(
                f"{path}: the provider {self.name} is async, and the function is not; make it an "
                "async def, or the provider a plain one"
            )
        run = _around_async(self, handler) if is_async else _around(self, handler)
        functools.update_wrapper(run, handler)
        run.__signature__ = self._joined(inspect.signature(handler))  # type: ignore[attr-defined]
        return run

    def _joined(self, signature: inspect.Signature) -> inspect.Signature:
        """The parameters of a handler, and those of the provider by name."""
        own = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=one.default,
                annotation=self._annotation(one),
            )
            for one in self.signature.parameters
        ]
        return signature.replace(parameters=[*signature.parameters.values(), *own])

    def _annotation(self, parameter: Parameter) -> Any:
        is_written = parameter.annotation is not NO_DEFAULT
        return AnnotationOf(self.call, parameter.annotation) if is_written else NO_DEFAULT

    def checked(self, ctx: Any) -> Any:
        """What it gave, unless it is nothing."""
        if ctx is None:
            raise DeclarationError(
                f"the provider {self.name} gave None; expected it to return, or to yield, the "
                "context for the function"
            )
        return ctx

    def has_not_yielded(self) -> DeclarationError:
        """The error for a generator that has ended at once."""
        return DeclarationError(f"the provider {self.name} ended without a yield; expected one")

    def has_yielded_again(self) -> DeclarationError:
        """The error for a generator that goes on."""
        return DeclarationError(f"the provider {self.name} yielded twice; expected one yield")


def _way_of(function: Callable[..., Any]) -> _Way:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(function) else "plain"


def _around(provider: Provider, handler: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs a handler inside of a provider."""

    def run(ctx: Any, /, **arguments: Any) -> Any:
        given = provider.call(ctx, **{name: arguments.pop(name) for name in provider.names})
        if provider.way == "plain":
            return handler(provider.checked(given), **arguments)
        inner = _begin(provider, given)
        try:
            result = handler(inner, **arguments)
        except BaseException as error:
            _fail(provider, given, error)
            raise
        _succeed(provider, given, result)
        return result

    return run


def _around_async(provider: Provider, handler: Callable[..., Any]) -> Callable[..., Any]:
    """The same for an ``async def``."""

    async def run(ctx: Any, /, **arguments: Any) -> Any:
        given = provider.call(ctx, **{name: arguments.pop(name) for name in provider.names})
        if provider.way == "coroutine":
            given = await given
        if provider.way not in ("generator", "async generator"):
            return await handler(provider.checked(given), **arguments)
        is_async = provider.way == "async generator"
        inner = await _begin_async(provider, given) if is_async else _begin(provider, given)
        try:
            result = await handler(inner, **arguments)
        except BaseException as error:
            if is_async:
                await _fail_async(provider, given, error)
            else:
                _fail(provider, given, error)
            raise
        if is_async:
            await _succeed_async(provider, given, result)
        else:
            _succeed(provider, given, result)
        return result

    return run


# Generators -------------------------------------------------------------------------------------


def _begin(provider: Provider, generator: Generator[Any, Any, Any]) -> Any:
    try:
        ctx = next(generator)
    except StopIteration:
        raise provider.has_not_yielded() from None
    return provider.checked(ctx)


def _succeed(provider: Provider, generator: Generator[Any, Any, Any], result: Any) -> None:
    try:
        generator.send(result)
    except StopIteration:
        return
    generator.close()
    raise provider.has_yielded_again()


def _fail(provider: Provider, generator: Generator[Any, Any, Any], error: BaseException) -> None:
    """Tell it of an error; raises only if it raises another one."""
    try:
        generator.throw(error)
    except StopIteration:
        return
    except BaseException as raised:
        if _is_of(raised, error):
            return
        raise
    generator.close()
    raise provider.has_yielded_again()


async def _begin_async(provider: Provider, generator: AsyncGenerator[Any, Any]) -> Any:
    try:
        ctx = await anext(generator)
    except StopAsyncIteration:
        raise provider.has_not_yielded() from None
    return provider.checked(ctx)


async def _succeed_async(
    provider: Provider, generator: AsyncGenerator[Any, Any], result: Any
) -> None:
    try:
        await generator.asend(result)
    except StopAsyncIteration:
        return
    await generator.aclose()
    raise provider.has_yielded_again()


async def _fail_async(
    provider: Provider, generator: AsyncGenerator[Any, Any], error: BaseException
) -> None:
    try:
        await generator.athrow(error)
    except StopAsyncIteration:
        return
    except BaseException as raised:
        if _is_of(raised, error):
            return
        raise
    await generator.aclose()
    raise provider.has_yielded_again()


def _is_of(raised: BaseException, error: BaseException) -> bool:
    """Whether a generator let an error pass; a StopIteration comes out of one as another error."""
    is_renamed = isinstance(error, StopIteration | StopAsyncIteration)
    return raised is error or (is_renamed and raised.__cause__ is error)
